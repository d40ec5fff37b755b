"""The order in which a model's latents are coded: written once as a generator, run over tensors and over integers.

A context is a generator. It yields the Gaussian parameters of the next group of latents and receives that group
decoded; what it returns at the end is the latent that goes to the synthesis transform, as parts along the channels. It
computes with nets, which it calls by name, and with values: tensors (N, C, h, w) while training and measuring, `Fixed`
while coding. Of values it may take halves (`chunk(2, 1)`), channels (`value[:, start:stop]`) and sums; all else belongs
into nets. A net takes any number of values, which it sees joined along the channels.

`drive` runs a context with a partner that turns parameters into decoded values: `nic_latent.coding.Encode` and `Decode`
here, `nic_nn.entropy.latent.Estimate` in training. Since all see the same generator, coded order and training order
cannot drift apart. Where one position depends on another of the same group, measuring all at once and coding one after
another are two computations by nature: such a context yields a `Scan`, which holds both.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np

Value = Any
"""A tensor (N, C, h, w) or a `Fixed`."""


class Nets(Protocol):
    """The nets of a model by name, as its modules are called: "h_s", "contexts.0.anchors"."""

    def __call__(self, name: str, *inputs: Value, parity: int | None = None) -> Value:
        """Return what the net makes of its inputs.

        parity: of the positions that matter, as in `Params`; what is returned at others is of no use.
        """


@dataclass(frozen=True)
class Params:
    """Gaussian parameters of one group of latents.

    mean: for the c channels of the group, over all positions, or over the k positions of `at`.
    scale: as many; standard deviations, or positions on the prior's ladder where `scale_is_index`.
    channels: which channels of the latent the group covers; None for all.
    parity: None for all positions; 0 or 1 for one colour of a checkerboard, the positions with
        (row + column) % 2 == parity. Outside it the parameters are ignored and the received group is zero.
    at: rows and columns (k,) of the positions that the group consists of; None for all. Only while coding.
    """

    mean: Value
    scale: Value
    channels: slice | None = None
    parity: int | None = None
    scale_is_index: bool = False
    at: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Scan:
    """All of a latent as one group whose positions depend on each other; `nic_latent.raster` makes them.

    whole: returns the parameters of all positions from all of y_hat, in one pass.
    steps: returns a context that yields them with `Params.at`, each from positions decoded before, and returns y_hat.
    """

    whole: Callable[[Value], Params]
    steps: Callable[[], "Context"]


Context = Generator[Params | Scan, Value, Sequence[Value]]
Order = Callable[[Nets, Value], Context]
"""Makes a model's context from its nets and the output of the hyper-synthesis."""


def within(nets: Nets, module: str) -> Nets:
    """Return the nets inside a module, by their names there."""
    return lambda name, *inputs, parity=None: nets(f"{module}.{name}", *inputs, parity=parity)


def slices_of(sizes: Sequence[int]) -> list[slice]:
    """Return the channels that slices of these sizes cover, one after another."""
    return [slice(stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True)]


def drive(context: Context, code: Callable[[Params | Scan], Value]) -> Sequence[Value]:
    """Run a context to its end: `code` turns each group's parameters into its decoded values, shaped like the mean."""
    try:
        group = next(context)
        while True:
            group = context.send(code(group))
    except StopIteration as stop:
        return stop.value


def at_once(nets: Nets, hyper: Value) -> Context:
    """The order without any: all of y is one group, whose scales and means the hyper-synthesis gives."""
    scale, mean = hyper.chunk(2, 1)
    return [(yield Params(mean, scale))]


def checkerboard(
    anchors: Value, rest: Callable[[Value], Value], channels: slice | None = None, parity: int = 0
) -> Generator[Params | Scan, Value, Value]:
    """Code channels in two passes over a checkerboard and return them whole (He et al., CVPR 2021).

    anchors: parameters of the first pass, scales and means along the channels.
    rest: returns those of the second from the decoded anchors, which are zero elsewhere.
    parity: of the anchors' positions, see `Params`.
    """
    scale, mean = anchors.chunk(2, 1)
    first = yield Params(mean, scale, channels, parity=parity)
    scale, mean = rest(first).chunk(2, 1)
    second = yield Params(mean, scale, channels, parity=1 - parity)
    return first + second
