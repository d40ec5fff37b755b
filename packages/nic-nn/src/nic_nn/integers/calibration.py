"""From a latent model to its integer entropy model, by what it makes of a few pictures."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nic_core.errors import BadOption
from nic_core.pictures.image_files import READABLE_SUFFIXES
from nic_core.pictures.sources import picture_of
from nic_latent.coding import LATENT_GRID, Round
from nic_latent.entropy_model import HYPER_SYNTHESIS, EntropyModel
from nic_latent.integers.fixed import Fixed
from nic_latent.orders.context import drive

from nic_nn.entropy.latent import channels_last
from nic_nn.integers.counting import counted
from nic_nn.integers.draft import Widths
from nic_nn.integers.exporter import Exporter

Model = Any
"""A `nic_nn.model.LatentModel`, which makes its integers here."""

SIDE = 128
NAMES = ("astronaut", "coffee", "chelsea", "rocket")
"""Pictures that scikit-image carries, and that calibrate unless others are given."""
OTHERS = ("immunohistochemistry", "camera", "brick")
"""Pictures of scikit-image that tell how much the ranges of calibration leave out."""
MOST = 64
"""Pictures of a folder that calibrate; of more, so many at even distances."""


@dataclass(frozen=True)
class Pictures:
    """Middles of pictures, of one size. pixels: (H, W, 3), uint8, sides a multiple of a model's stride."""

    names: tuple[str, ...]
    pixels: tuple[np.ndarray, ...]


def carried(stride: int, names: tuple[str, ...] = NAMES) -> Pictures:
    """Return middles of pictures of scikit-image; their sides are the multiple of `stride` from 128 pixels on."""
    import skimage.data  # takes as long as all else, and only those who export need it

    return Pictures(names, tuple(middle(getattr(skimage.data, name)(), stride) for name in names))


def of_folder(folder: Path, stride: int) -> Pictures:
    """Return the middles of pictures in a folder, by name; BadOption where there are none.

    Pictures that are smaller repeat their edges.
    """
    files = folder.iterdir() if folder.is_dir() else ()
    paths = sorted(path for path in files if path.suffix.lower() in READABLE_SUFFIXES)
    if not paths:
        raise BadOption(f"{folder} is no folder with pictures to calibrate with")
    chosen = paths[:: -(-len(paths) // MOST)]
    pixels = tuple(middle(picture_of(path).to_8_bit().whole().pixels, stride) for path in chosen)
    return Pictures(tuple(path.name for path in chosen), pixels)


def middle(pixels: np.ndarray, stride: int) -> np.ndarray:
    """Return a square (side, side, 3) from the middle of a picture (H, W), (H, W, 1) or (H, W, 3)."""
    side = SIDE + -SIDE % stride
    height, width = pixels.shape[:2]
    pixels = np.broadcast_to(pixels.reshape(height, width, -1), (height, width, 3))
    top, left = (max(length - side, 0) // 2 for length in pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    return np.pad(square, ((0, side - square.shape[0]), (0, side - square.shape[1]), (0, 0)), "edge")


@torch.inference_mode()
def integers_of(model: Model, pictures: Pictures | None = None, widths: Widths | None = None) -> EntropyModel:
    """Return the integer entropy model of a float one.

    pictures: whose values choose ranges, and whose symbols are counted for the tables; None for some of scikit-image,
    too few to count: the tables are the model's then. BadWeights names a layer that has no integer form.
    """
    y, z = latents_of(model, pictures or carried(model.stride))
    medians = channels_last(model.entropy_bottleneck.medians.double())
    nets = Exporter(copy.deepcopy(model).cpu().double().eval(), widths or Widths(model.integer_bits))
    whole = model.with_nets(nets.nets)
    symbols = np.rint(z - medians).astype(np.int64)
    drive(model.order(nets, nets(HYPER_SYNTHESIS, whole.z_hat(symbols))), Round(Fixed.of(y, LATENT_GRID)))
    return counted(whole, y, z) if pictures else whole


@torch.inference_mode()
def latents_of(model: Model, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Return y and z (N, h, w, C) of all pictures at every quality that matters, in float64.

    Rounding differs so little there between machines that no latent comes out as another integer.
    """
    exact = copy.deepcopy(model).cpu().double().eval()
    pairs = [pair for pixels in pictures.pixels for pair in _latents(exact, pixels)]
    y, z = (np.concatenate([pair[part] for pair in pairs]) for part in range(2))
    return y, z


def _latents(exact: Model, pixels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].double() / 255
    if exact.picture_channels == 1:
        x = x.mean(1, keepdim=True)
    for y in exact.analyses(x):
        yield channels_last(y), channels_last(exact.h_a(y))
