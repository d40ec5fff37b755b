"""From a latent model to its integer entropy model, by what it makes of a few pictures."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from nic_latent.coding import LATENT_GRID, Round
from nic_latent.context import drive
from nic_latent.entropy_model import HYPER_SYNTHESIS, EntropyModel
from nic_latent.fixed import Fixed

from nic_nn.integers.draft import Widths
from nic_nn.integers.exporter import Exporter
from nic_nn.latent import channels_last

Model = Any
"""A `nic_nn.model.LatentModel`, which makes its integers here."""

SIDE = 128
NAMES = ("astronaut", "coffee", "chelsea", "rocket")
"""Pictures that scikit-image carries."""


def pictures(stride: int) -> list[np.ndarray]:
    """Return centre crops (H, W, 3), uint8, of the pictures that calibrate unless others are given.

    Their sides are the multiple of `stride` from 128 pixels on.
    """
    import skimage.data  # takes as long as all else, and only those who export need it

    side = SIDE + -SIDE % stride
    return [centre(getattr(skimage.data, name)(), side) for name in NAMES]


def centre(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return a square from the middle of a picture (H, W, C)."""
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


@torch.inference_mode()
def integers_of(model: Model, given: Sequence[np.ndarray] | None = None, widths: Widths | None = None) -> EntropyModel:
    """Return the integer entropy model of a float one.

    given: pictures (H, W, 3), uint8, of one size, a multiple of the model's stride; None for `pictures`.
    BadWeights names a layer that has no integer form.
    """
    # In float64, where rounding differs so little between machines that no latent comes out as another integer.
    exact = copy.deepcopy(model).cpu().double().eval()
    latents = [pair for pixels in given or pictures(model.stride) for pair in latents_of(exact, pixels)]
    y, z = (np.concatenate([pair[part] for pair in latents]) for part in range(2))
    medians = channels_last(exact.entropy_bottleneck.medians)
    nets = Exporter(exact, widths or Widths())
    whole = model.with_nets(nets.nets)
    symbols = np.rint(z - medians).astype(np.int64)
    drive(model.order(nets, nets(HYPER_SYNTHESIS, whole.z_hat(symbols))), Round(Fixed.of(y, LATENT_GRID)))
    return whole


def latents_of(model: Model, pixels: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield y and z (1, h, w, C) of a picture, at every quality that matters."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
    if model.picture_channels == 1:
        x = x.mean(1, keepdim=True)
    for y in model.analyses(x):
        yield channels_last(y), channels_last(model.h_a(y))
