"""How near the integers of modules come to what they compute in float64."""

import numpy as np
import torch
from nic_latent.integers.fixed import Fixed
from torch import nn

from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Widths


def integer_error(module: nn.Module, *inputs: np.ndarray, grid: int = 12, widths: Widths | None = None) -> float:
    """Return the error of a module's integer net, as root mean square, over the deviation of what it approximates.

    inputs: float64 (N, h, w, C), put on a grid; the module sees them joined, in float64 as (N, C, h, w).
    """
    fixed = [Fixed.of(numbers, grid) for numbers in inputs]
    build = Builder(widths or Widths(), tuple(fixed))
    made = build.emit(module, tuple(range(len(fixed))), "net")
    out = build.net()(*fixed)
    assert np.array_equal(out.values, build.values[made].values)
    with torch.no_grad():
        x = np.concatenate([value.numbers for value in fixed], -1).transpose(0, 3, 1, 2)
        exact = module.double()(torch.from_numpy(x)).permute(0, 2, 3, 1).numpy()
    assert out.values.shape == exact.shape
    return float((out.numbers - exact).std() / exact.std())
