"""Sizes of the model."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CcaConfig:
    """Sizes; the defaults are the paper's, and synthesis mirrors analysis.

    widths: channels at 1/2, 1/4 and 1/8 of the picture; blocks: NAF blocks at each of these scales.
    bottlenecks: residual bottleneck blocks beside them.
    slices: channels of each slice of y, in coding order.
    hyper: channels of z.
    context, context_blocks: width and number of the NAF blocks that predict a slice.
    reduction: widths of the convolutions between them and the slice.

    ValueError for sizes that make no model.
    """

    widths: tuple[int, int, int] = (192, 224, 256)
    blocks: tuple[int, int, int] = (4, 4, 4)
    bottlenecks: int = 3
    slices: tuple[int, ...] = (8, 28, 56, 92, 136)
    hyper: int = 192
    context: int = 224
    context_blocks: int = 4
    reduction: tuple[int, int] = (224, 128)

    def __post_init__(self) -> None:
        """Check the sizes."""
        if [len(part) for part in (self.widths, self.blocks, self.reduction)] != [3, 3, 2]:
            raise ValueError("widths and blocks need three values, reduction two")
        if not self.slices or min(*self.widths, *self.slices, *self.reduction, self.hyper, self.context) < 1:
            raise ValueError("there must be a slice, and all widths must be above 0")
        if min(self.widths) < 2:
            raise ValueError(f"widths must be above 1, for bottlenecks of half of them, not {self.widths}")
        if min(*self.blocks, self.bottlenecks, self.context_blocks) < 0:
            raise ValueError("blocks cannot be fewer than none")

    @classmethod
    def of(cls, width: int = 192, depth: int = 4, power: float = 1.7) -> "CcaConfig":
        """Return a smaller model: all widths in proportion to the first, `depth` NAF blocks in every place.

        The paper's are 192 and 4, and 1.7 for the slices (`slice_sizes`).
        ValueError for a width that is no multiple of 16.
        """
        if width % 16:
            raise ValueError(f"the width must be a multiple of 16, not {width}")

        def scaled(channels: int) -> int:
            return channels * width // 192

        paper = cls()
        first, second, third = map(scaled, paper.widths)
        return cls(
            widths=(first, second, third),
            blocks=(depth,) * 3,
            bottlenecks=max(depth - 1, 1),
            slices=slice_sizes(scaled(sum(paper.slices)), power=power),
            hyper=scaled(paper.hyper),
            context=scaled(paper.context),
            context_blocks=depth,
            reduction=(scaled(paper.reduction[0]), scaled(paper.reduction[1])),
        )


def slice_sizes(channels: int, count: int = 5, power: float = 1.7) -> tuple[int, ...]:
    """Return slices that grow as 1^power, 2^power, ..., rounded down but at least 1; the last takes the rest (3.3)."""
    shares = [(i + 1) ** power for i in range(count)]
    sizes = [max(math.floor(channels * share / sum(shares)), 1) for share in shares[:-1]]
    return (*sizes, channels - sum(sizes))
