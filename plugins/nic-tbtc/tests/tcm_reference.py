"""The reference checkpoint of TCM, and a model that is small enough for tests; see golden/README.md."""

from pathlib import Path

import numpy as np
import torch
from nic_nn import testing
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
SEED = 10
GAIN = np.float32(0.8)
UNSCALED = ("entropy_bottleneck", "relative_position", "gamma", "beta")
SMALL = TcmConfig(
    width=16,
    latent=24,
    hyper=16,
    depths=(2, 1, 1, 2, 1, 1),
    head_widths=(8, 16, 8, 8, 16, 8),
    hyper_head_width=8,
    slices=3,
    attention=16,
    attention_head_width=4,
    context=(20, 12),
)


def checkpoint() -> dict[str, Tensor]:
    """Return the entries of the checkpoint."""
    return testing.checkpoint(GOLDEN / "tcm.manifest.json", SEED, fill)


def fill(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return the values of an entry."""
    scaled = len(shape) > 1 and not any(part in name for part in UNSCALED)
    return testing.entry(name, shape, seed) * (GAIN if scaled else np.float32(1))


def small(config: TcmConfig = SMALL) -> Tcm:
    """Return a small model with such weights, and scales that make symbols of several bits."""
    model = Tcm(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.copy_(torch.from_numpy(np.array(fill(name, tuple(parameter.shape), SEED), np.float32)))
    for predictor in model.predictors:
        predictor.scale[-1].bias.add_(2)
    return model
