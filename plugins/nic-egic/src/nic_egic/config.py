"""The sizes of an EGIC model."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EgicConfig:
    """Sizes of a model, by default the published ones; synthesis mirrors analysis.

    widths, depths: channels and Swin blocks at 1/2, 1/4, 1/8 and 1/16 of the picture; the last width is y's.
    hyper_widths, hyper_depths: the same at 1/32 and 1/64; the last width is z's.
    context_widths: the first hidden width of each slice's nets, the second is half of it; there are so many slices.
    support: how many slices, counted from the first, later ones see at most.
    head_dim: channels of an attention head, in every block.
    orp: whether the synthesis has a second head, for output residual prediction.

    ValueError for sizes that make no model.
    """

    widths: tuple[int, ...] = (128, 192, 256, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    hyper_widths: tuple[int, ...] = (192, 192)
    hyper_depths: tuple[int, ...] = (5, 1)
    context_widths: tuple[int, ...] = (64, 64, 85, 106, 128, 149, 170, 192, 213, 234)
    support: int = 10
    head_dim: int = 32
    orp: bool = False

    def __post_init__(self) -> None:
        """Check the sizes."""
        if [len(part) for part in (self.widths, self.depths, self.hyper_widths, self.hyper_depths)] != [4, 4, 2, 2]:
            raise ValueError("widths and depths need four values, hyper_widths and hyper_depths two")
        sizes = (*self.widths, *self.depths, *self.hyper_widths, *self.hyper_depths, *self.context_widths)
        if not self.context_widths or min(*sizes, self.head_dim) < 1 or self.support < 0:
            raise ValueError("all sizes must be positive")
        if any(width % self.head_dim for width in (*self.widths, *self.hyper_widths)):
            raise ValueError(f"all widths must be multiples of head_dim, {self.head_dim}")
        if self.widths[-1] % len(self.context_widths):
            raise ValueError(f"{self.widths[-1]} channels do not divide into {len(self.context_widths)} slices")

    @classmethod
    def of(cls, width: int, orp: bool = False) -> "EgicConfig":
        """Return the published proportions at another width, a multiple of 4; the published width is 128."""
        if width < 4 or width % 4:
            raise ValueError(f"width must be a multiple of 4, not {width}")
        half, hyper, piece = width // 2, 3 * width // 2, width // 4
        return cls(
            widths=(2 * half, 3 * half, 4 * half, 5 * half),
            hyper_widths=(hyper, hyper),
            # Two thirds of the way down from the channels of two slices more; the first slice's nets are the second's.
            context_widths=tuple(2 * piece * max(index + 2, 3) // 3 for index in range(10)),
            head_dim=math.gcd(32, half),
            orp=orp,
        )

    @property
    def slices(self) -> int:
        """How many slices y is coded in."""
        return len(self.context_widths)
