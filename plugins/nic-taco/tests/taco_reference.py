"""The reference checkpoint (see golden/README.md), and a small model that is quick to run."""

from pathlib import Path

import numpy as np
import torch
from nic_nn import testing
from nic_taco.config import TacoConfig
from nic_taco.model import Injector, Taco
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
SEED = 3
SMALL = TacoConfig(width=16, slices=(4, 4, 8), text_width=64, context_widths=(12, 8))


def checkpoint() -> dict[str, Tensor]:
    """Return the entries of the checkpoint, as the authors' training saves them."""
    return {f"module.{name}": value for name, value in testing.checkpoint(GOLDEN / "taco.manifest.json", SEED).items()}


def text(seed: int = 1000 + SEED, width: int = 512) -> Tensor:
    """Return text features (1, 38, width); by default those of the reference."""
    values = np.random.Generator(np.random.PCG64(seed)).standard_normal((1, 38, width))
    return torch.from_numpy(values.astype(np.float32))


@torch.no_grad()
def small_model() -> Taco:
    """Return a random model whose symbols are not all zero and depend on the text."""
    torch.manual_seed(0)
    model = Taco(SMALL).eval()
    for transform in (model.g_a, model.h_a):  # fresh weights shrink everything to zero symbols
        next(transform.parameters()).mul_(30)
        transform[-1 if transform is model.h_a else -2].weight.mul_(30)
    for module in model.modules():
        if isinstance(module, Injector):
            module.gamma.normal_()
    model.freeze_tables()
    return model
