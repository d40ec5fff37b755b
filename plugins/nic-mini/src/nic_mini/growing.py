"""A larger synthesis that decodes as a smaller one does, to train from there.

After Net2Net (Chen et al., ICLR 2016) and what deep residual networks allow: new blocks begin as the identity, their
last convolution zero, and nothing reads new channels yet, though they already carry something to read.
"""

from collections.abc import Iterator, Mapping

from nic_core.errors import BadOption
from torch import Tensor, nn

from nic_mini.config import MiniConfig
from nic_mini.model import Mini

Blocks = tuple[int, int, int]


def grown(old: Mini, new: Mini) -> Mini:
    """Fill `new`, fresh, with what `old` holds, so that both decode alike; return it.

    BadOption for a synthesis that is smaller somewhere.
    """
    shapes = [_synthesis(model.config) for model in (old, new)]
    for what, (before, after) in zip(("widths", "blocks"), zip(*shapes, strict=True), strict=True):
        if any(a < b for b, a in zip(before, after, strict=True)):
            raise BadOption(f"synthesis_{what} {after} are less than the {before} of the weights to start from")
    (_, before), (_, after) = shapes
    places = {place: index for index, place in enumerate(_places(after))}
    moved = {index: places[place] for index, place in enumerate(_places(before))}
    for place, index in places.items():
        if index not in moved.values() and place[0] == "block":
            *_, last = new.g_s.get_submodule(f"{index}.body").children()
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
    state = new.state_dict()
    for name, value in _renamed(old.state_dict(), moved):
        state[name] = _widened(value, state[name])
    new.load_state_dict(state)
    return new


def _synthesis(config: MiniConfig) -> tuple[tuple[int, int, int], Blocks]:
    return config.synthesis_widths or config.widths, config.synthesis_blocks or config.blocks


def _places(blocks: Blocks) -> Iterator[tuple[str, int, int]]:
    """Yield what g_s consists of, in its order: a convolution into each scale, its blocks, and the shuffle after it."""
    for scale in (2, 1, 0):
        yield "into", scale, 0
        if scale < 2:
            yield "shuffle", scale, 0
        for number in range(blocks[scale]):
            yield "block", scale, number
    yield "into", -1, 0
    yield "shuffle", -1, 0


def _renamed(state: Mapping[str, Tensor], moved: Mapping[int, int]) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        part, index, *rest = name.split(".")
        yield (".".join((part, str(moved[int(index)]), *rest)) if part == "g_s" else name), value


def _widened(old: Tensor, new: Tensor) -> Tensor:
    """Return a parameter of the new shape: the old one, whose outputs read none of the new channels, and new outputs.

    New channels come last, before a pixel shuffle too, which takes its channels from neighbours.
    """
    made = new.clone()
    if old.ndim > 1:
        made[: len(old)] = 0
        made[: len(old), : old.shape[1]] = old
    else:
        made[: len(old)] = old
    return made
