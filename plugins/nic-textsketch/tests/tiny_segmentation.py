"""Tiny segmentation models of transformers' own classes with random weights, laid out as on the hub.

What they see means nothing; the parts, the files and what loads them are those of the real ones.
"""

from pathlib import Path

import torch
from transformers import (
    ConvNextConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)


def write_segformer(folder: Path, classes: int = 150, always: int | None = None) -> Path:
    """Write a SegFormer and return its folder. always: a class that it sees wherever it looks."""
    config = SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        num_labels=classes,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SegformerForSemanticSegmentation(config)
    if always is not None:
        model.decode_head.classifier.bias.data[always] = 1e3
    return _write(model, folder)


def write_upernet(folder: Path) -> Path:
    """Write an UperNet around a ConvNeXt and return its folder."""
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = ConvNextConfig(depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], out_features=stages)
    config = UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_in_channels=16, auxiliary_channels=8, num_labels=150
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = UperNetForSemanticSegmentation(config)
    return _write(model, folder)


def _write(model: torch.nn.Module, folder: Path) -> Path:
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
