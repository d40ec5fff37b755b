"""Made the golden files beside it: tiny weights files, and .nic files with the pictures they decode to.

Golden files decode forever: those that exist are never made again, not even when this script, the model or the format
changes, since they stand for the files that users have. This script says where they come from, and adds new ones: it
writes only what is missing, and a weights file that exists is used as it is.

    python plugins/nic-mini/tests/golden/make.py
"""

import os
from dataclasses import dataclass
from pathlib import Path

import nic_core as nic
import numpy as np
import torch
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.weights.export import export
from PIL import Image, ImageCms

HERE = Path(__file__).parent
FLOATS = HERE / "tiny.safetensors"
"""Weights whose entropy model is in floating point, as they all were first."""
INTEGERS = HERE / "integers.safetensors"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def tiny() -> Mini:
    """Return a very small model whose random weights give latents and pictures some variety."""
    torch.manual_seed(1)
    config = MiniConfig((4, 6, 8), (1, 1, 1), (2, 2, 4), hyper=4, features=6, context=6, levels=3)
    model = Mini(config).eval()
    with torch.no_grad():
        model.h_a[-1].weight.mul_(8)
        model.g_s[-2].weight.mul_(2)
        for context in model.contexts:
            for last in (context.anchors, context.rest[-1]):
                last.bias[: len(last.bias) // 2] = 2  # scales
    return model


def pixels(height: int, width: int, channels: int, dtype: type) -> np.ndarray:
    """Return a picture with a slope, rings and some noise."""
    row, column = np.mgrid[:height, :width]
    distance = np.hypot(row - height / 3, column - width / 2)[..., None]
    phases = np.arange(channels)
    values = 0.5 + 0.3 * np.cos(distance / (3 + phases) + phases) + 0.2 * (column / width - 0.5)[..., None]
    values = values + np.random.default_rng(5).normal(0, 0.03, values.shape)
    return (values.clip(0, 1) * np.iinfo(dtype).max).round().astype(dtype)


def exif() -> bytes:
    """Return an EXIF block that says: turn to the right."""
    block = Image.Exif()
    block[274] = 6
    return block.tobytes().removeprefix(b"Exif\0\0")


@dataclass(frozen=True)
class Golden:
    """A file: its picture, how it is coded, and the weights that decode it."""

    picture: Picture
    quality: float = 50.0
    tile: int | None = None
    weights: Path = INTEGERS


def files() -> dict[str, Golden]:
    """Return what there is by file name."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = np.linspace(0, 65535, 20 * 33).reshape(20, 33).round().astype(np.uint16)
    alpha_of_tiles = np.linspace(0, 255, 140 * 190).reshape(140, 190).round().astype(np.uint8)
    return {
        "rgb": Golden(Picture(pixels(45, 70, 3, np.uint8)), weights=FLOATS),
        "gray": Golden(Picture(pixels(64, 31, 1, np.uint8)), weights=FLOATS),
        "deep": Golden(Picture(pixels(20, 33, 3, np.uint16), alpha, srgb, exif(), XMP), weights=FLOATS),
        "high": Golden(Picture(pixels(45, 70, 3, np.uint8)), 93.5, weights=FLOATS),
        "integers": Golden(Picture(pixels(45, 70, 3, np.uint8)), 75.0),
        "tiles": Golden(Picture(pixels(140, 190, 3, np.uint8), alpha_of_tiles), 93.5, 64),
    }


def main() -> None:
    """Write what is missing."""
    os.environ["NIC_GRAPHS"] = "0"  # torch decodes golden files, and graphs would double what they take
    if not INTEGERS.exists():
        provenance = {"summary": "random weights, for tests", "command": "plugins/nic-mini/tests/golden/make.py"}
        info = WeightsInfo("mini", "golden", {}, "", "", (1.0, 100.0), licence="Apache-2.0", provenance=provenance)
        export(tiny(), INTEGERS, info, half=True)
    for name, golden in files().items():
        path = HERE / f"{name}.nic"
        if not path.exists():
            codec = nic.load("mini", golden.weights, "cpu")
            path.write_bytes(codec.encode(golden.picture, golden.quality, tile=golden.tile))
            image_files.write(codec.decode_picture(path.read_bytes()), path.with_suffix(".png"))


if __name__ == "__main__":
    main()
