"""The integer form of GDN and its inverse."""

import numpy as np
from nic_latent.integers.arithmetic import narrowed
from nic_latent.integers.layers import Gdn, InverseGdn

from nic_nn.integers.draft import Draft, array, exponent
from nic_nn.nets.compressai_parts import GDN

BIAS_BITS = 50
"""Of the sums' 52."""


def gdn(build: Draft, module: GDN, inputs: tuple[int, ...], name: str) -> int:
    """GDN, or its inverse."""
    number = build.joined(inputs)
    value = build.values[number]
    narrow, grid = build.narrowing(number)
    largest = (1 << build.widths.activations) - 1
    weight, bias = (
        nonnegative(getattr(module, f"{name}_reparam"), array(getattr(module, name))) for name in ("gamma", "beta")
    )
    steps = np.array(
        [
            min(build.weight_steps(most), BIAS_BITS - 2 * grid - exponent(offset))
            for most, offset in zip(weight.max(1), bias, strict=True)
        ]
    )
    steps -= steps % 2  # the root halves the grid of what stands under it
    whole = np.rint(np.ldexp(weight, steps[:, None])).astype(np.int32)
    offset = np.maximum(1, np.rint(np.ldexp(bias, steps + 2 * grid))).astype(np.int64)
    x = narrowed(value.values, narrow, largest).astype(np.float64)
    norm = np.ldexp(np.square(x) @ whole.T.astype(np.float64) + offset, -steps - 2 * grid)
    numbers = value.numbers
    most = np.abs(numbers * np.sqrt(norm) if module.inverse else numbers / np.sqrt(norm)).max(initial=0)
    if module.inverse:
        whole_shift = value.grid + grid + steps // 2
        out = build.grid_of(most, int(whole_shift.min()))
        return build.add(InverseGdn(narrow, largest, whole, offset, whole_shift - out), (number,), out)
    whole_shift = 61 + value.grid - grid - steps // 2
    out = build.grid_of(most, int(whole_shift.min()) - 30)
    return build.add(Gdn(narrow, largest, whole, offset, whole_shift - out), (number,), out)


def nonnegative(reparam: object, stored: np.ndarray) -> np.ndarray:
    """Return what compressai's parametrisation makes of a stored parameter, in float64."""
    bound, pedestal = float(reparam.lower_bound.bound), float(reparam.pedestal)  # type: ignore[attr-defined]
    return np.maximum(np.square(np.maximum(stored, bound)) - pedestal, 0)
