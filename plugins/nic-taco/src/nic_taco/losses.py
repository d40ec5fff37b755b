"""What pictures are trained for beyond the mean squared error: looking alike, and fitting their captions."""

import math
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from nic_core.errors import NicError
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor
from torchvision.transforms import v2

from nic_taco.pretrained import obtaining, read_weights
from nic_taco.text import TextEncoder

LpipsRange = Literal["unit", "signed"]

LOGIT_SCALE = math.exp(2.6592)
"""Of the contrastive loss; CLIP's own is 100."""

SIMILARITY_WEIGHT = 40.0
"""Of the difference between reconstruction and original in CLIP's eyes, beside the contrastive loss."""


def lpips(x_hat: Tensor, x: Tensor, source: str = "", values: LpipsRange = "unit") -> Tensor:
    """Return the LPIPS distance, with AlexNet, of pictures (N, 3, H, W) in [0, 1]: (N,).

    source: a file of torchvision's AlexNet; empty for the one that the environment variable NIC_LPIPS names, or else
        for torchvision's download, which is kept in its cache.
    values: "unit" gives the network values in [0, 1], as TACO was trained; "signed" those in [-1, 1] that it expects.
    NicError where the network cannot be had.
    """
    network = _load_lpips(source or os.environ.get("NIC_LPIPS", ""), str(x.device))
    with torch.autocast(x.device.type, enabled=False):
        return network(x_hat.float(), x, normalize=values == "signed").flatten()


@cache
def _load_lpips(source: str, device: str) -> Any:
    try:
        import lpips  # an optional dependency
    except ImportError as error:
        raise NicError("LPIPS needs a package: pip install 'nic-taco[train]'") from error

    remedy = "download it once where there is a network, or give a local copy with --set lpips_path=FILE or NIC_LPIPS"
    with obtaining("the AlexNet of LPIPS", source, remedy):
        network = lpips.LPIPS(net="alex", pnet_rand=bool(source), verbose=False)
        if source:
            weights = read_weights(Path(source))
            # Here a layer is called slice2.3, in torchvision features.3.
            names = {name: name.replace(name.partition(".")[0], "features") for name in network.net.state_dict()}
            network.net.load_state_dict({name: weights[theirs] for name, theirs in names.items()})
    return network.requires_grad_(False).to(device)


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
