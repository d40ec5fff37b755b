"""A net at one colour of a checkerboard: where only that is read, nothing need be computed at the other."""

from dataclasses import replace

from nic_latent.integers.layers import (
    Add,
    Affine,
    Conv,
    Gelu,
    Join,
    Layer,
    Leaky,
    Multiply,
    Norm,
    Pack,
    Pool,
    Sigmoid,
    Take,
    Tanh,
    Unpack,
)
from nic_latent.integers.step import Step

POSITION_BY_POSITION = (Add, Affine, Gelu, Join, Leaky, Multiply, Norm, Sigmoid, Take, Tanh)


def at_colour(input_grids: tuple[int, ...], steps: tuple[Step, ...], parity: int) -> tuple[Step, ...]:
    """Return steps of a net that make the same at one colour, and zeros at the other.

    The last of them, as far as they look at one position at a time, then run over packed values.
    """
    if any(has_other_sides(step.layer) for step in steps):
        return steps
    first = len(steps)
    while first and looks_at_one_position(steps[first - 1].layer):
        first -= 1
    whole, later = steps[:first], steps[first:]
    made = len(input_grids) + first
    grids = (*input_grids, *(step.grid for step in whole))
    read = sorted({number for step in later for number in step.inputs if number < made}) or [made - 1]
    packing = [Step(Pack(parity), (number,), grids[number]) for number in read]
    numbers = {number: made + place for place, number in enumerate(read)}
    numbers |= {made + place: made + len(read) + place for place in range(len(later))}
    packed = [replace(step, inputs=tuple(numbers[number] for number in step.inputs)) for step in later]
    last = made + len(read) + len(later) - 1
    return (*whole, *packing, *packed, Step(Unpack(parity), (last,), steps[-1].grid))


def has_other_sides(layer: Layer) -> bool:
    """Return whether the sides of a layer's output may be odd where those of its inputs are even."""
    if isinstance(layer, Conv):
        return layer.stride > 1 or 2 * layer.padding != layer.weight.shape[-1] - 1
    return isinstance(layer, Pool | Pack)


def looks_at_one_position(layer: Layer) -> bool:
    """Return whether each position of a layer's output depends on that of its inputs alone."""
    if isinstance(layer, Conv):
        return layer.weight.shape[-1] == 1
    return isinstance(layer, POSITION_BY_POSITION)
