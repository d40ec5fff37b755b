"""Sizes of the model."""

from dataclasses import dataclass

from nic_latent.tiles.geometry import Reach

from nic_tbtc.config import Size

WINDOW, HYPER_WINDOW = 8, 4
"""Sides of the windows of attention; those of the context are as large as the transforms'."""
WIDTHS: dict[Size, int] = {"S": 64, "M": 96, "L": 128}
"""Channels of each half of a mixed block, N in the public implementation and half of the paper's C."""


@dataclass(frozen=True)
class TcmConfig:
    """Sizes; the defaults are the paper's, of the large model.

    width: channels of each half of a mixed block, of which stages have `2 * width`; latent, hyper: channels of y and z.
    depths: mixed blocks at 1/2, 1/4 and 1/8 of the picture in the analysis, and at 1/8, 1/4 and 1/2 in the synthesis.
        The hyper-analysis has as many as the first of them, the hyper-synthesis as the fourth.
    head_widths: channels of an attention head at each of these; hyper_head_width: in the hyper-transforms.
    slices: in how many equal parts y is coded.
    attention: channels that a slice's attention is squeezed to; attention_head_width: of each of its heads.
    context: widths of the convolutions that read a slice's means, scales and rounding errors.

    ValueError for sizes that make no model.
    """

    width: int = 128
    latent: int = 320
    hyper: int = 192
    depths: tuple[int, ...] = (2,) * 6
    head_widths: tuple[int, ...] = (8, 16, 32, 32, 16, 8)
    hyper_head_width: int = 32
    slices: int = 5
    attention: int = 128
    attention_head_width: int = 16
    context: tuple[int, int] = (224, 128)

    def __post_init__(self) -> None:
        """Check the sizes."""
        if len(self.depths) != 6 or len(self.head_widths) != 6:
            raise ValueError("depths and head_widths need six values")
        heads = (*self.head_widths, self.hyper_head_width, self.attention_head_width)
        sizes = (self.width, self.latent, self.hyper, self.slices, self.attention, *self.context, *self.depths, *heads)
        if min(sizes) < 1:
            raise ValueError("all sizes must be positive")
        if any(self.width % head for head in (*self.head_widths, self.hyper_head_width)):
            raise ValueError(f"{self.width} channels do not divide into heads of their widths")
        if self.attention % self.attention_head_width:
            raise ValueError(f"{self.attention} channels do not divide into heads of {self.attention_head_width}")
        if self.latent % self.slices:
            raise ValueError(f"{self.latent} channels do not divide into {self.slices} slices")

    @property
    def reach(self) -> Reach:
        """What the synthesis sees around what begins and ends at multiples of 64 pixels, where windows end too."""
        first = -1  # of the positions at 1/2 that the pixels from 0 on are made of
        for depth in self.depths[:2:-1]:
            for block in reversed(range(depth)):
                shift = WINDOW // 2 * (block % 2)
                in_window = (first - shift) // WINDOW * WINDOW + shift
                first = min(in_window, first - 2)  # or two convolutions
            first = (first - 1) // 2 - 1  # a convolution on either side of what doubles the sides
        return Reach(-(first * 16 // 64) * 64, local=True)

    @classmethod
    def of(cls, size: Size = "L") -> "TcmConfig":
        """Return the paper's config of a size."""
        return cls(WIDTHS[size])
