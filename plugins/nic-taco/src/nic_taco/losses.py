"""What pictures are trained for beyond the mean squared error: fitting their captions."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor
from torchvision.transforms import v2

from nic_taco.text import TextEncoder

LOGIT_SCALE = math.exp(2.6592)
"""Of the contrastive loss; CLIP's own is 100."""

SIMILARITY_WEIGHT = 40.0
"""Of the difference between reconstruction and original in CLIP's eyes, beside the contrastive loss."""


def joint_image_text(x_hat: Tensor, x: Tensor, texts: Sequence[str], encoder: TextEncoder) -> Tensor:
    """Return the joint image-text loss of a batch: a scalar.

    It is CLIP's contrastive loss between captions and reconstructions, and 40 times the norm of the difference between
    CLIP's vectors of reconstructions and originals, over the whole batch: its value depends on the batch's size.
    """
    with torch.autocast(x.device.type, enabled=False):
        captions = encoder.project(texts)
        with torch.no_grad():
            originals = image_vectors(encoder.clip, x)
        reconstructions = image_vectors(encoder.clip, x_hat.float())
        similarity = LOGIT_SCALE * captions @ reconstructions.T
        same = torch.arange(len(x), device=x.device)
        contrast = (F.cross_entropy(similarity, same) + F.cross_entropy(similarity.T, same)) / 2
        return contrast + SIMILARITY_WEIGHT * torch.linalg.vector_norm(reconstructions - originals)


def image_vectors(clip: Any, x: Tensor) -> Tensor:
    """Return CLIP's vectors of length 1 of pictures in [0, 1]: (N, E)."""
    side = clip.visual.image_size[0]
    x = v2.functional.center_crop(v2.functional.resize(x, [side], antialias=True), [side])
    return clip.encode_image(v2.functional.normalize(x, OPENAI_DATASET_MEAN, OPENAI_DATASET_STD), normalize=True)
