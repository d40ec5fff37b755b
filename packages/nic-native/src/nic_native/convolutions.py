"""Convolutions in C, ready to run on maps of any size; nic_latent.integers.layers.products says what they compute."""

from collections.abc import Iterator
from ctypes import POINTER, byref, c_int32, c_int64
from dataclasses import dataclass, replace

import numpy as np

from nic_native.arrays import View, layer_function, reachable, views
from nic_native.products import MOST_TAP_ROWS, UNCHANGED, Depthwise, Packed, Sums, Target
from nic_native.threads import by_rows

LARGEST = (1 << 15) - 1
"""Weights and narrowed inputs lie within -2**15 ... LARGEST."""

PACK = (POINTER(View), POINTER(c_int32), *[c_int64] * 3, c_int32, *[c_int64] * 2, POINTER(Packed))


@dataclass(frozen=True)
class Convolution:
    """A convolution or transposed convolution.

    narrow, largest: see nic_latent's `Products`. inputs: channels of all of them.
    parts: what it computes, each at its own positions of the output.
    stride: between what neighbouring outputs of a part read. step: outputs from one of a part to the next.
    first, reach: which row and column of the inputs output 0 begins to read, and how many of them.
    size: the output's side for an input's is ((side + size) // stride + 1) x step, or side x step where it is None.
    halves: the output is that of a `Pack`: its upper half is the first part, its lower one the second; step is 1.
    """

    narrow: tuple[int, ...]
    largest: int
    inputs: int
    parts: tuple[Sums, ...] | tuple[Depthwise]
    stride: int
    step: int
    first: int
    reach: int
    size: int | None
    halves: bool = False

    def __call__(self, *inputs: np.ndarray, slope: int = UNCHANGED) -> np.ndarray:
        """Return int32 (N, h, w, C) of int32 inputs; slope: what values below zero are multiplied by, in 2**-16."""
        arrays = [reachable(x) for x in inputs]
        count, height, width = arrays[0].shape[:3]
        if sum(x.shape[-1] for x in arrays) != self.inputs or any(x.shape[:3] != arrays[0].shape[:3] for x in arrays):
            raise ValueError("a convolution is called with other inputs than those that it was made for")
        if self.halves and any((side - self.reach) % 2 for side in (height, width)):
            raise ValueError("a checkerboard has even sides")
        rows, columns = (
            side if self.size is None else (side + self.size) // self.stride + 1 for side in (height, width)
        )
        if min(rows, columns) < 1:
            raise ValueError("a convolution is called with less than its kernel")
        sides = (2 * rows, columns) if self.halves else (rows * self.step, columns * self.step)
        out = np.empty((count, *sides, self.parts[0].outputs), np.int32)
        seen = views(arrays)
        narrow = (c_int32 * len(arrays))(*(min(bits, 32) for bits in self.narrow))  # beyond 31 nothing is left
        pack = layer_function("nic_pack", *PACK)

        def run(start: int, stop: int) -> None:
            lines, line = ((n - 1) * self.stride + self.reach for n in (stop - start, columns))
            channels = self.inputs + self.inputs % 2
            values, magnitudes = np.empty((count, lines, line, channels), np.int16), np.empty((count, lines), np.int32)
            packed = Packed(count, lines, line, channels, values.ctypes.data, magnitudes.ctypes.data)
            place = (start * self.stride + self.first, self.first)
            pack(seen, narrow, len(arrays), height, width, self.largest, *place, byref(packed))
            for part in self.parts:
                below, right = part.at
                if self.halves:
                    own = out[:, below * rows + start : below * rows + stop]
                else:
                    own = out[:, start * self.step + below : stop * self.step : self.step, right :: self.step]
                strides = (stride // 4 for stride in own.strides[:3])
                part.multiply(self.stride, slope, packed, Target(own.ctypes.data, stop - start, columns, *strides))

        by_rows(run, rows, sum(part.work for part in self.parts) * count * rows * columns)
        return out


def fits(weight: np.ndarray, largest: int) -> bool:
    """Return whether a layer's products are of 16 bits, as C has them."""
    within = int(weight.min()) >= -LARGEST - 1 and int(weight.max()) <= LARGEST
    return within and 1 <= largest <= LARGEST and 1 <= weight.shape[-1] <= MOST_TAP_ROWS


def convolution(
    weight: np.ndarray,
    bias: np.ndarray,
    shift: np.ndarray,
    narrow: tuple[int, ...],
    largest: int,
    stride: int,
    padding: int,
    shuffle: int = 1,
) -> Convolution:
    """Return nic_latent's `Conv` of one group, weight (outputs, inputs, k, k), and a `Shuffle` of its outputs."""
    _, inputs, kernel, _ = weight.shape
    taps = weight.transpose(2, 3, 1, 0)

    def parts() -> Iterator[Sums]:
        for place in range(shuffle**2):
            own = slice(place, None, shuffle**2)
            yield Sums.of(taps[..., own], bias[own], shift[own], largest, at=divmod(place, shuffle))

    size = 2 * padding - kernel
    return Convolution(narrow, largest, inputs, tuple(parts()), stride, shuffle, -padding, kernel, size)


def coloured_convolution(
    weight: np.ndarray,
    bias: np.ndarray,
    shift: np.ndarray,
    narrow: tuple[int, ...],
    largest: int,
    padding: int,
    parity: int,
) -> Convolution:
    """Return nic_latent's `Conv` of one group and of stride 1, and a `Pack` of its outputs."""
    _, inputs, kernel, _ = weight.shape
    part = Sums.of(weight.transpose(2, 3, 1, 0), bias, shift, largest)
    parts = tuple(replace(part, at=(row, 0), first=(row, (row + parity) % 2)) for row in (0, 1))
    size = 2 * padding - kernel - 1
    return Convolution(narrow, largest, inputs, parts, 2, 1, -padding, kernel + 1, size, halves=True)


def depthwise_convolution(
    weight: np.ndarray,
    bias: np.ndarray,
    shift: np.ndarray,
    narrow: tuple[int, ...],
    largest: int,
    stride: int,
    padding: int,
) -> Convolution:
    """Return nic_latent's `Conv` of as many groups as channels; weight (outputs, 1, k, k)."""
    outputs, _, kernel, _ = weight.shape
    part = Depthwise.of(weight, bias, shift, largest)
    return Convolution(narrow, largest, outputs, (part,), stride, 1, -padding, kernel, 2 * padding - kernel)


def transposed_convolution(
    weight: np.ndarray,
    bias: np.ndarray,
    shift: np.ndarray,
    narrow: tuple[int, ...],
    largest: int,
    stride: int,
    padding: int,
) -> Convolution:
    """Return nic_latent's `Deconv`; weight (inputs, outputs, k, k).

    Output row q x stride + a takes tap i where input row q + (a + padding - i) / stride is a row. So the outputs of
    each remainder a, and of columns likewise, are a convolution of stride 1 with some of the taps.
    """
    inputs, _, kernel, _ = weight.shape
    phases = [taps_of(kernel, stride, padding, remainder) for remainder in range(stride)]
    distances = [distance for phase in phases for distance in phase]
    first, reach = min(distances), max(distances) + 1 - min(distances)

    def parts() -> Iterator[Sums]:
        for a, rows in enumerate(phases):
            for b, columns in enumerate(phases):
                taps = weight[:, :, list(rows.values())][..., list(columns.values())].transpose(2, 3, 0, 1)
                start = (min(rows, default=first) - first, min(columns, default=first) - first)
                yield Sums.of(taps, bias, shift, largest, (a, b), start)

    return Convolution(narrow, largest, inputs, tuple(parts()), 1, stride, first, reach, None)


def taps_of(kernel: int, stride: int, padding: int, remainder: int) -> dict[int, int]:
    """Return the taps of the outputs with a remainder, by the distance to the input that they multiply, rising."""
    distances = {
        (remainder + padding - tap) // stride: tap for tap in range(kernel) if (remainder + padding - tap) % stride == 0
    }
    return dict(sorted(distances.items()))
