"""Ports compared with their originals: checkpoints that anyone can rebuild from names and shapes.

A port is compared with the original on weights that are never exchanged: each entry of a checkpoint is drawn from a
random stream that depends on its name and a seed alone. A manifest lists the entries, "NAME.manifest.json" with rows
[name, shape, "fill" or "buffer"]; what the original computes with them stands in "NAME.json" and "NAME.npz".

The seed is one for which no y - mean comes near a half. Where one does, the order of a float32 sum, which differs from
processor to processor, decides how it is rounded, and with weights like these one symbol changes all that follow.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor

from nic_nn.model import LatentModel
from nic_nn.weights.random_weights import entry, normal


def tensorflow_entry(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return the float32 values of a TensorFlow checkpoint's entry, named by its path through the objects."""
    x = normal(name, shape, seed).astype(np.float32)
    *_, inside, last = name.split("/")
    if inside == "_matrices":
        return np.float32(math.log(math.expm1(1 / 10 ** (1 / 3) / (3, 3, 1)[int(last)]))) + 0.05 * x
    for part, factor in (("_biases", 0.2), ("_factors", 0.1)):
        if inside == part:
            return factor * x
    if last == "relative_position_bias_table":
        return 0.1 * x
    if last in ("gamma", "g"):
        return 1 + 0.1 * x
    return x / math.sqrt(math.prod(shape[:-1])) if len(shape) >= 2 else 0.05 * x


def checkpoint(
    manifest: Path, seed: int = 0, fill: Callable[[str, tuple[int, ...], int], np.ndarray] = entry
) -> dict[str, Tensor]:
    """Return the entries of a checkpoint; buffers, which are no weights, are zero.

    fill: makes an entry, `entry` for PyTorch or `tensorflow_entry`.
    """
    return {
        name: torch.from_numpy(np.array(fill(name, tuple(shape), seed), dtype=np.float32))
        if kind == "fill"
        else torch.zeros(shape)
        for name, shape, kind in json.loads(manifest.read_text())
    }


def picture(height: int = 256, width: int = 256, seed: int = 0) -> Tensor:
    """Return the test picture, (1, 3, height, width) in [0, 1]."""
    i, j = np.mgrid[0:height, 0:width].astype(np.float32)
    c = np.arange(3, dtype=np.float32)[:, None, None]
    sine = 0.25 * np.sin(2 * np.pi * (i / (48 + 16 * c) + j / 96))
    chirp = 0.15 * np.cos(2 * np.pi * i * j / (7000 + 900 * c))
    noise = 0.04 * normal("image", (3, height, width), seed)
    return torch.from_numpy(np.clip(0.5 + (sine + chirp) + noise, 0, 1).astype(np.float32))[None]


@torch.inference_mode()
def assert_reference(model: LatentModel, y: Tensor, reference: Path) -> None:
    """Check y, bits and reconstruction against the numbers of an original.

    y: the analysis of the picture. reference: the path of "NAME.json" without its suffix; "NAME.npz" holds y at every
        second position and x_hat at every fourth.
    """
    expected = json.loads(reference.with_name(f"{reference.name}.json").read_text())
    arrays = np.load(reference.with_name(f"{reference.name}.npz"))
    assert np.abs(y[..., ::2, ::2].numpy() - arrays["y"]).max() < 2e-4 * np.abs(arrays["y"]).max()
    latents = model.estimate(y)
    output = latents.output(model.g_s(latents.y_hat))
    for latent, bits in expected["bits"].items():
        by_likelihoods = -output["likelihoods"][latent].double().log2().sum().item()
        for found in (output["bits"][latent].item(), by_likelihoods):
            assert abs(found / bits - 1) < 1e-4, f"{latent}: {found} bits instead of {bits}"
    error = np.abs(output["x_hat"][..., ::4, ::4].numpy() - arrays["x_hat"])
    assert np.quantile(error, 0.99) < 1e-3 * arrays["x_hat"].std()


@torch.inference_mode()
def assert_codes_what_it_estimates(model: LatentModel, y: Tensor) -> Tensor:
    """Check that coding `y` in floating point gives the y_hat of `estimate`, and its reconstruction; return y_hat.

    Pictures are estimated one by one, as they are coded: a batch sums in another order, which may round a value the
    other way.
    """
    with model.in_floats():
        y_hat = model.decode(model.encode(y))
    for decoded, picture in zip(y_hat.split(1), y.split(1), strict=True):
        expected = model.estimate(picture).y_hat
        assert (decoded - expected).abs().max() < 1e-4
        assert (model.g_s(decoded).clamp(0, 1) - model.g_s(expected).clamp(0, 1)).abs().max() < 1e-5
    return y_hat


def write_random_alexnet(folder: Path) -> Path:
    """Write torchvision's AlexNet with random weights, in place of that of LPIPS; return the file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = torchvision.models.alexnet(weights=None).features.state_dict(prefix="features.")
    torch.save(state, folder / "random_alexnet.pth")
    return folder / "random_alexnet.pth"
