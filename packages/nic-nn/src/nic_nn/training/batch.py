"""What a training step is given: pictures, what came with them, and random numbers of their own."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


class SampleRandom:
    """Random numbers keyed by sample: what one picture of a batch draws depends on its key and on nothing else.

    A batch that is split over processes, or into pieces of an accumulated step, so draws what it would draw whole,
    and a resumed run what an uninterrupted one would. Each call goes on with every sample's own sequence.

    keys: one integer for each sample of the batch.
    purpose: what the numbers are for; other purposes get others.
    """

    def __init__(self, keys: list[int], purpose: str, device: torch.device | str = "cpu") -> None:
        self._device = device
        seeds = [zlib.crc32(f"{purpose} {key}".encode()) for key in keys]
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def uniform(self, *shape: int) -> Tensor:
        """Return values in [0, 1), float32, (N, *shape)."""
        drawn = [torch.rand(shape, generator=generator, device=self._device) for generator in self._generators]
        return torch.stack(drawn)

    def rounding_noise(self, like: Tensor) -> Tensor:
        """Return values in [-0.5, 0.5) of the shape and type of `like` (N, ...): a `nic_nn.entropy.latent.Noise`."""
        return (self.uniform(*like.shape[1:]) - 0.5).to(like.dtype)


@dataclass(frozen=True)
class Batch:
    """Pictures of one training step.

    pixels: (N, 3, H, W), float in [0, 1] where a recipe sees it; uint8 as loaded.
    keys: (N,) int64, different for every sample that a run draws; equal in a repeated run.
    files: where each picture came from.
    text: a caption of each, or None; labels: (N, H, W) int64 class of each pixel, 0 for void, or None.
    weights: (N, H, W) float32 of each pixel in losses on the labels, or None where all weigh the same.
    """

    pixels: Tensor
    keys: Tensor
    files: tuple[str, ...]
    text: tuple[str, ...] | None = None
    labels: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        """Return N."""
        return len(self.pixels)

    def random(self, purpose: str) -> SampleRandom:
        """Return the samples' random numbers for a purpose, from their beginning."""
        return SampleRandom(self.keys.tolist(), purpose, self.pixels.device)

    def to(self, device: Any, non_blocking: bool = False) -> "Batch":
        """Return the batch with its tensors on a device."""
        return self._changed(lambda v: v.to(device, non_blocking=non_blocking) if isinstance(v, Tensor) else v)

    def pin_memory(self) -> "Batch":
        """Return the batch with its tensors in pinned memory, which DataLoader asks for."""
        return self._changed(lambda value: value.pin_memory() if isinstance(value, Tensor) else value)

    def __getitem__(self, index: slice) -> "Batch":
        """Return some of the samples."""
        return self._changed(lambda value: None if value is None else value[index])

    def split(self, count: int) -> list["Batch"]:
        """Return the batch in `count` equal pieces; N must be a multiple of it."""
        size = len(self) // count
        return [self[start : start + size] for start in range(0, len(self), size)]

    def as_float(self) -> "Batch":
        """Return the batch with pixels in [0, 1], channels last in memory, which convolutions are fastest on."""
        return replace(self, pixels=(self.pixels.float() / 255).contiguous(memory_format=torch.channels_last))

    def _changed(self, change: Callable[[Any], Any]) -> "Batch":
        """Return the batch with every field changed."""
        return Batch(*(change(getattr(self, item.name)) for item in fields(self)))
