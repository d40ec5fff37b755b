"""What modules may do with tensors and still get integers by themselves, see `nic_nn.integers.trace`.

Tensors are `Value`s here and parameters float64 arrays; each function takes the draft and what the operation is called
with in torch, and raises ValueError for what it cannot do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nic_latent.integers.layers import Shuffle

from nic_nn.integers.draft import Draft
from nic_nn.integers.forms import curved, pooled, rectified
from nic_nn.integers.transformers import projected


@dataclass(frozen=True)
class Value:
    """A tensor. numbers: of the values that it consists of, along the channels; positions: whether it is (N, H, W, C).

    It is (N, C, H, W) otherwise, as integer values never are: layouts matter for what torch's axes mean.
    """

    numbers: tuple[int, ...]
    positions: bool = False

    @property
    def axis(self) -> int:
        """Where its channels are."""
        return 3 if self.positions else 1

    def has_channels_at(self, axis: int) -> bool:
        """Return whether an axis, counted from the front or the back, is that of the channels."""
        return axis % 4 == self.axis

    def one(self, build: Draft) -> int:
        """Return its number, joined if it consists of several."""
        return build.joined(self.numbers)

    def channels(self, build: Draft) -> int:
        """Return how many it has."""
        return sum(build.values[number].values.shape[-1] for number in self.numbers)


Number = Value | np.ndarray | float | int


def constant(build: Draft, value: Value, number: np.ndarray | float) -> np.ndarray:
    """Return a parameter or a number as one number for each channel of a value."""
    number = np.asarray(number, np.float64)
    shape = (1,) * (4 - number.ndim) + number.shape
    if any(size != 1 for axis, size in enumerate(shape) if not value.has_channels_at(axis)):
        raise ValueError(f"a parameter of shape {number.shape} has not one number for each channel")
    return np.broadcast_to(number.reshape(-1), (value.channels(build),)).copy()


def add(build: Draft, x: Number, y: Number, *, alpha: float = 1) -> Number:
    """x + alpha y."""
    if alpha != 1:
        y = multiply(build, y, alpha)
    if not isinstance(x, Value):
        x, y = y, x
    if not isinstance(x, Value):
        return np.add(x, y)  # type: ignore[arg-type]
    if isinstance(y, Value):
        return Value((build.total((x.one(build), agreeing(x, y).one(build))),), x.positions)
    bias = constant(build, x, y)
    return Value((build.affine(x.one(build), np.ones(len(bias)), bias),), x.positions)


def agreeing(x: Value, y: Value) -> Value:
    """Return y, whose channels must be where those of x are."""
    if x.positions != y.positions:
        raise ValueError("two tensors have their channels at different axes")
    return y


def subtract(build: Draft, x: Number, y: Number, *, alpha: float = 1) -> Number:
    """x - alpha y."""
    return add(build, x, multiply(build, y, -alpha))


def negative(build: Draft, x: Number) -> Number:
    """-x."""
    return multiply(build, x, -1.0)


def multiply(build: Draft, x: Number, y: Number) -> Number:
    """x y."""
    if not isinstance(x, Value):
        x, y = y, x
    if not isinstance(x, Value):
        return np.multiply(x, y)  # type: ignore[arg-type]
    if isinstance(y, Value):
        return Value((build.product(x.one(build), agreeing(x, y).one(build)),), x.positions)
    return Value((build.affine(x.one(build), constant(build, x, y)),), x.positions)


def divide(build: Draft, x: Number, y: Number) -> Number:
    """x / y of a parameter or number y."""
    if isinstance(y, Value):
        raise ValueError("tensors divide by parameters and numbers only")
    return multiply(build, x, 1.0 / np.asarray(y, np.float64))


def join(build: Draft, tensors: Sequence[Value], dim: int = 0) -> Value:
    """Tensors along the channels."""
    first, *others = tensors
    parts = [first, *(agreeing(first, other) for other in others)]
    if not first.has_channels_at(dim):
        raise ValueError("tensors are joined along the channels only")
    return Value(tuple(number for part in parts for number in part.numbers), first.positions)


def chunk(build: Draft, x: Value, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    """Parts along the channels."""
    return split(build, x, -(-x.channels(build) // chunks), dim)


def split(build: Draft, x: Value, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Value, ...]:
    """Parts of a size, or of sizes, along the channels."""
    if not x.has_channels_at(dim):
        raise ValueError("tensors are split along the channels only")
    size, channels = split_size_or_sections, x.channels(build)
    sizes = [min(size, channels - start) for start in range(0, channels, size)] if isinstance(size, int) else size
    stops = np.cumsum(sizes).tolist()
    number = x.one(build)
    parts = [(stop - size, stop) for size, stop in zip(sizes, stops, strict=True)]
    return tuple(Value((build.take(number, *part),), x.positions) for part in parts)


def item(build: Draft, x: Any, key: Any) -> Any:
    """One of several tensors, or channels of one."""
    if not isinstance(x, Value):
        return x[key]
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        keys[keys.index(Ellipsis) : keys.index(Ellipsis) + 1] = [slice(None)] * (5 - len(keys))
    keys += [slice(None)] * (4 - len(keys))
    chosen = keys.pop(x.axis)
    if not isinstance(chosen, slice) or chosen.step not in (None, 1) or any(part != slice(None) for part in keys):
        raise ValueError("of a tensor only a range of channels can be taken")
    start, stop, _ = chosen.indices(x.channels(build))
    return Value((build.take(x.one(build), start, stop),), x.positions)


def relu(build: Draft, x: Value, inplace: bool = False) -> Value:
    """Zero below zero."""
    return Value((rectified(build, x.one(build)),), x.positions)


def leaky_relu(build: Draft, x: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """Less below zero."""
    return Value((rectified(build, x.one(build), negative_slope),), x.positions)


def gelu(build: Draft, x: Value, *, approximate: str = "none") -> Value:
    """GELU in its exact form."""
    return Value((curved(build, x.one(build), "gelu", approximate),), x.positions)


def sigmoid(build: Draft, x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    return Value((curved(build, x.one(build), "sigmoid"),), x.positions)


def tanh(build: Draft, x: Value) -> Value:
    """The hyperbolic tangent."""
    return Value((curved(build, x.one(build), "tanh"),), x.positions)


def mean(build: Draft, x: Value, dim: Sequence[int], keepdim: bool = False) -> Value:
    """The mean over all positions, where its axes are kept."""
    if not keepdim or {axis % 4 for axis in dim} != {1, 2, 3} - {x.axis}:
        raise ValueError("means are taken over all positions, with keepdim=True")
    return Value((pooled(build, x.one(build)),), x.positions)


def average(build: Draft, x: Value, output_size: Any) -> Value:
    """F.adaptive_avg_pool2d to one position."""
    if output_size not in (1, (1, 1), [1, 1]) or x.positions:
        raise ValueError("its output must be one position")
    return Value((pooled(build, x.one(build)),))


def pixel_shuffle(build: Draft, x: Value, upscale_factor: int) -> Value:
    """Channels to positions."""
    if x.positions:
        raise ValueError("its channels must be in front")
    number = x.one(build)
    return Value((build.add(Shuffle(upscale_factor), (number,), build.values[number].grid),))


def layer_norm(
    build: Draft,
    x: Value,
    normalized_shape: Sequence[int],
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
) -> Value:
    """F.layer_norm over the channels, which must be last."""
    channels = x.channels(build)
    if not x.positions or tuple(normalized_shape) != (channels,):
        raise ValueError("it must normalise the channels alone")
    gains = np.ones(channels) if weight is None else weight
    return Value((build.norm(x.one(build), gains, np.zeros(channels) if bias is None else bias, eps),), True)


def linear(build: Draft, x: Value, weight: np.ndarray, bias: np.ndarray | None = None) -> Value:
    """F.linear over the channels, which must be last."""
    if not x.positions:
        raise ValueError("its channels must be last")
    return Value((projected(build, weight, bias, x.numbers),), True)


def permute(build: Draft, x: Value, *dims: Any) -> Value:
    """Channels to the back or to the front: in name only, values have them last."""
    (order,) = dims if len(dims) == 1 else (dims,)
    expected = (0, 3, 1, 2) if x.positions else (0, 2, 3, 1)
    if tuple(axis % 4 for axis in order) != expected:
        raise ValueError("only the channels can be moved, to the back or to the front")
    return Value(x.numbers, not x.positions)


def shape(build: Draft, x: Any, name: str) -> tuple[int | None, ...]:
    """The shape of a parameter, and of a tensor as far as the net can know it: its channels."""
    if name != "shape":
        raise ValueError(f"of tensors it may ask the shape, not {name}")
    if isinstance(x, Value):
        return tuple(x.channels(build) if x.has_channels_at(axis) else None for axis in range(4))
    return x.shape


def same(build: Draft, x: Any, *args: Any, **kwargs: Any) -> Any:
    """What changes no value."""
    return x


def reshaped(build: Draft, x: Any, *shape: Any) -> Any:
    """Another shape of a parameter."""
    if isinstance(x, Value):
        raise ValueError("only parameters can be given another shape")
    return x.reshape(*shape)


OPERATIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "add_", "iadd"), add),
    **dict.fromkeys(("sub", "sub_", "isub"), subtract),
    **dict.fromkeys(("mul", "mul_", "imul"), multiply),
    **dict.fromkeys(("div", "div_", "truediv", "itruediv"), divide),
    "neg": negative,
    **dict.fromkeys(("cat", "concat"), join),
    "chunk": chunk,
    "split": split,
    "getitem": item,
    "getattr": shape,
    **dict.fromkeys(("relu", "relu_"), relu),
    **dict.fromkeys(("leaky_relu", "leaky_relu_"), leaky_relu),
    "gelu": gelu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "mean": mean,
    "adaptive_avg_pool2d": average,
    "pixel_shuffle": pixel_shuffle,
    "layer_norm": layer_norm,
    "linear": linear,
    "permute": permute,
    **dict.fromkeys(("contiguous", "clone"), same),
    **dict.fromkeys(("view", "reshape"), reshaped),
}
"""By the name of torch's function, method or operator."""
