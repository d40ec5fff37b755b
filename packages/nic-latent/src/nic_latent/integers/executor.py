"""Who computes the layers of a net: C, where nic-native is to be had, otherwise numpy. The integers are the same."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from nic_core import native

from nic_latent.integers import arithmetic
from nic_latent.integers.layers import Layer

_NUMPY: ContextVar[bool] = ContextVar("numpy", default=False)


@contextmanager
def only_numpy() -> Iterator[None]:
    """Compute all layers in numpy for the length of a block; NIC_NATIVE=0 does so for a process."""
    token = _NUMPY.set(True)
    try:
        yield
    finally:
        _NUMPY.reset(token)


def in_c() -> bool:
    """Return whether layers run in C."""
    return not _NUMPY.get() and not native.why_not()


def rescaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Return what `nic_latent.integers.arithmetic.rescaled` does of values (N, h, w, C)."""
    if in_c() and -31 < bits < 63:
        from nic_native import elementwise

        return elementwise.add([values], [bits])
    return arithmetic.rescaled(values, bits)


def steps_below(steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of rising int32 steps lie below each int32 value, as int32."""
    if in_c():
        from nic_native import elementwise

        return elementwise.steps_below(steps, values)
    return np.searchsorted(steps, values).astype(np.int32)


def run(layer: Layer, *inputs: np.ndarray) -> np.ndarray:
    """Run one layer once."""
    (part,) = parts_of(len(inputs), [(layer, tuple(range(len(inputs))))])
    return part.run(*inputs)


@dataclass(frozen=True)
class Part:
    """Layers that run as one. inputs: numbers of values; made: the number of the one that comes out."""

    run: Callable[..., np.ndarray]
    inputs: tuple[int, ...]
    made: int


def parts_of(inputs: int, layers: Sequence[tuple[Layer, tuple[int, ...]]]) -> tuple[Part, ...]:
    """Return what computes a net of so many inputs.

    layers: each with the numbers of the values that it takes: those of the net first, then what each layer made.
    """
    if not in_c():
        return tuple(Part(layer, taken, inputs + index) for index, (layer, taken) in enumerate(layers))
    from nic_latent.integers import compiled

    uses = [number for _, taken in layers for number in taken]
    parts: list[Part] = []
    chain: list[Layer] = []
    for index, (layer, taken) in enumerate(layers):
        made = inputs + index
        # A value that only the next layer reads need not exist.
        if chain and taken == (made - 1,) and uses.count(made - 1) == 1 and compiled.join([*chain, layer]):
            chain.append(layer)
            taken = parts.pop().inputs
        else:
            chain = [layer]
        parts.append(Part(compiled.form_of(chain) or layer, taken, made))
    return tuple(parts)
