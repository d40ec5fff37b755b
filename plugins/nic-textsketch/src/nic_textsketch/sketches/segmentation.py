"""Segmentation maps of photographs: ADE20K's classes in their colours, by a model of transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from PIL import Image
from torch.nn import functional as F

from nic_textsketch.libraries import quiet
from nic_textsketch.sketches.ade20k import PALETTE, colours_of

Segment = Callable[[Image.Image], Image.Image]

FILES = ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin")
"""What a model of transformers consists of, as `nic_textsketch.sources.folder` takes it."""

IN_TRAINING = "auxiliary_head."
"""Parameters that only training uses, which a model may come without."""


def load_segmenter(place: Path, device: torch.device) -> Segment:
    """Return what draws the segmentation map of a photograph, of its size.

    place: folder of any of transformers' models for semantic segmentation with ADE20K's 150 classes, such as UperNet
    and SegFormer.

    BadWeights for another model, and for one that lacks parameters; raises anything for files that are none.
    """
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation  # takes seconds

    with quiet("transformers"):
        prepare = AutoImageProcessor.from_pretrained(place, local_files_only=True)
        model, found = AutoModelForSemanticSegmentation.from_pretrained(
            place, local_files_only=True, output_loading_info=True
        )
    if model.config.num_labels != len(PALETTE):
        raise BadWeights(f"{place} tells {model.config.num_labels} classes apart; ADE20K has {len(PALETTE)}")
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith(IN_TRAINING)):
        raise BadWeights(f"{place} lacks parameters of its model, {missing[0]} for one")
    model.to(device).eval()

    def segment(photograph: Image.Image) -> Image.Image:
        with torch.inference_mode():
            inputs: Any = prepare(images=photograph, return_tensors="pt").to(device)
            logits = model(**inputs).logits.float()
            whole = F.interpolate(logits, size=(photograph.height, photograph.width), mode="bilinear")
        return Image.fromarray(colours_of(whole[0].argmax(0).cpu().numpy()))

    return segment
