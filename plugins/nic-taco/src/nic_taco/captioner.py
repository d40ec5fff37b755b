"""Writes the caption of a picture that has none: CoCa ViT-L/14, fine-tuned on MS-COCO, by open_clip."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from nic_nn.weights.pretrained import obtaining
from PIL import Image

from nic_taco.text import TOKENS

MODEL = "coca_ViT-L-14"
PRETRAINED = "mscoco_finetuned_laion2B-s13B-b90k"


@torch.inference_mode()
def describe(pixels: np.ndarray, source: str = "", device: torch.device | str = "cpu") -> str:
    """Return a caption of a picture, uint8 (H, W, 3): always the likeliest next token, which is deterministic.

    source: a file of the model's weights, or a folder with open_clip_config.json and the weights of any CoCa; empty
        for the one that the environment variable NIC_COCA names, or else for open_clip's download, which is kept in
        its cache.
    NicError where it cannot be had.
    """
    model, prepare = _load(source or os.environ.get("NIC_COCA", ""), str(device))
    tokenizer = open_clip.tokenizer.SimpleTokenizer()
    picture = prepare(Image.fromarray(pixels))[None].to(device)
    # open_clip's own `generate` needs parts of transformers that its newer versions lack.
    seen = model(picture)
    tokens = torch.tensor([[tokenizer.sot_token_id]], device=device)
    for _ in range(TOKENS - 2):  # the encoder reads no more
        output = model(
            picture,
            tokens,
            image_latent=seen["image_features"],
            image_embs=seen["image_embs"],
            output_labels=False,
        )
        following = output["logits"][:, -1:].argmax(-1)
        if following == tokenizer.eot_token_id:
            break
        tokens = torch.cat([tokens, following], 1)
    return tokenizer.decode(tokens[0, 1:].tolist()).strip()


@cache
def _load(source: str, device: str) -> tuple[Any, Any]:
    """Return CoCa and what prepares pictures for it."""
    path = Path(source)
    name, weights = (f"local-dir:{path}", None) if source and not path.is_file() else (MODEL, source or PRETRAINED)
    remedy = "download it once where there is a network, or name a local copy with NIC_COCA, or give the text"
    with obtaining("the captioner CoCa", source, remedy):
        model, prepare = open_clip.create_model_from_pretrained(name, weights, device=device)
    return model.eval(), prepare
