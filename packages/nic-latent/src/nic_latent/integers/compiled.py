"""What nic-native has for the layers: the same integers as theirs, computed in C.

A convolution takes the `Shuffle` or `Pack` and the `Leaky` that follow it along: what is between them then never is in
memory, and what a `Pack` leaves out is not computed.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
from nic_native import convolutions, elementwise, norms

from nic_latent.integers.arithmetic import INT32, divided
from nic_latent.integers.functions import TABLES
from nic_latent.integers.layers import (
    Add,
    Affine,
    Conv,
    Deconv,
    Gelu,
    Join,
    Layer,
    Leaky,
    Multiply,
    Norm,
    Pack,
    Pool,
    Shuffle,
    Sigmoid,
    Take,
    Tanh,
)

Run = Callable[..., np.ndarray]
"""What a layer does: int32 arrays (N, h, w, C) to one."""

FUNCTIONS = {Gelu: elementwise.GELU, Sigmoid: elementwise.SIGMOID, Tanh: elementwise.TANH}


def join(layers: Sequence[Layer]) -> bool:
    """Return whether layers, each of which reads the one before it, run as one."""
    first, *others = layers
    kinds = [type(layer) for layer in others]
    if not isinstance(first, Conv | Deconv) or not _is_plain(first):
        return False
    if isinstance(first, Conv) and (kinds[:1] == [Shuffle] or (kinds[:1] == [Pack] and first.stride == 1)):
        kinds = kinds[1:]
    return kinds in ([], [Leaky])


def form_of(layers: Sequence[Layer]) -> Run | None:
    """Return what computes a layer in C, or several that `join`; None where C has no form of it."""
    first, *others = layers
    match first:
        case Conv() | Deconv():
            return _convolution(first, others)
        case Leaky(slope):
            return partial(elementwise.leaky, slope=slope)
        case Add(shifts):
            return partial(_many, elementwise.add, shifts)
        case Join(shifts):
            return partial(_many, elementwise.join, shifts)
        case Take(start, stop):
            return partial(_take, slice(start, stop))
        case Multiply(shift):
            return partial(elementwise.multiply, shift=shift)
        case Affine() if _is_narrow(first.weight):
            arrays = {"weight": _whole(first.weight, np.int32), "bias": _whole(first.bias, np.int64)}
            return partial(elementwise.affine, **arrays, shift=first.shift)
        case Norm() if _is_narrow(first.gain):
            return partial(
                norms.norm,
                narrow=first.narrow,
                largest=first.largest,
                epsilon=first.epsilon,
                gain=_whole(first.gain, np.int32),
                bias=_whole(first.bias, np.int64),
                shift=first.shift,
            )
        case Pool():
            return _pool
        case Gelu(grid) | Sigmoid(grid) | Tanh(grid):
            kind = type(first)
            return partial(elementwise.function, which=FUNCTIONS[kind], table=_table(kind.__name__.lower()), grid=grid)
    return None


def _is_plain(layer: Conv | Deconv) -> bool:
    """Return whether every output reads every input."""
    return not isinstance(layer, Conv) or layer.groups == 1


def _convolution(layer: Conv | Deconv, others: Sequence[Layer]) -> Run | None:
    if not convolutions.fits(layer.weight, layer.largest):
        return None
    bias, shift = _whole(layer.bias, np.int64), _whole(layer.shift, np.int64)
    numbers = layer.weight, bias, shift, layer.narrow, layer.largest
    given = *numbers, layer.stride, layer.padding
    parities = [other.parity for other in others if isinstance(other, Pack)]
    if isinstance(layer, Deconv):
        made = convolutions.transposed_convolution(*given)
    elif parities:
        made = convolutions.coloured_convolution(*numbers, layer.padding, *parities)
    elif layer.groups == 1:
        factor = next((other.factor for other in others if isinstance(other, Shuffle)), 1)
        made = convolutions.convolution(*given, factor)
    elif layer.groups == len(layer.weight) and layer.weight.shape[1] == 1:
        made = convolutions.depthwise_convolution(*given)
    else:
        return None
    slopes = [other.slope for other in others if isinstance(other, Leaky)]
    return partial(made, slope=slopes[0]) if slopes else made


def _many(run: Run, shifts: Sequence[int], *inputs: np.ndarray) -> np.ndarray:
    return run(inputs, shifts)


def _take(channels: slice, x: np.ndarray) -> np.ndarray:
    return x[..., channels]  # the values stay where they are: all that is in C takes them from there


def _pool(x: np.ndarray) -> np.ndarray:
    return divided(norms.sums(x), x.shape[1] * x.shape[2]).astype(np.int32)


def _is_narrow(values: np.ndarray) -> bool:
    return int(values.min()) >= -INT32 and int(values.max()) <= INT32


def _whole(values: np.ndarray, kind: type[np.signedinteger]) -> np.ndarray:
    """Return integers, of a type that C takes, without gaps."""
    return np.ascontiguousarray(values, kind)


@cache
def _table(name: str) -> np.ndarray:
    return _whole(TABLES[name], np.int32)
