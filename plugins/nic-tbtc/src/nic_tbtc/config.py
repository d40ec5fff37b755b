"""What distinguishes the models of the paper: transforms, context and sizes."""

from dataclasses import dataclass
from typing import Literal

from nic_latent.tiles.geometry import Reach

Size = Literal["S", "M", "L"]
Transform = Literal["conv", "swint"]
Context = Literal["hyperprior", "charm"]

CONV_SIZES: dict[Size, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "S": ((192,) * 4, (128,) * 2),
    "M": ((320,) * 4, (192,) * 2),
    "L": ((448,) * 4, (256,) * 2),
}
SWINT_SIZES: dict[Size, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "S": ((96, 128, 160, 192), (96, 128)),
    "M": ((128, 192, 256, 320), (192, 192)),
    "L": ((160, 256, 352, 448), (192, 256)),
}
SLICE = 32
"""Channels of a slice of ChARM."""
HEADS = 4
"""In every Swin block, whatever its width."""


@dataclass(frozen=True)
class TbtcConfig:
    """Sizes of a model; synthesis mirrors analysis.

    transform: convolutions with GDN, or Swin transformers. context: none but the hyperprior, or ChARM.
    widths: channels at 1/2, 1/4, 1/8 and 1/16 of the picture, the last are y's.
    hyper_widths: channels at 1/32 and 1/64, the last are z's.
    depths, hyper_depths: Swin blocks at each of these scales.

    ValueError for sizes that make no model.
    """

    transform: Transform
    context: Context
    widths: tuple[int, ...]
    hyper_widths: tuple[int, ...]
    depths: tuple[int, ...] = ()
    hyper_depths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the sizes."""
        if [len(self.widths), len(self.hyper_widths)] != [4, 2] or min(*self.widths, *self.hyper_widths) < 1:
            raise ValueError("widths must be four and hyper_widths two, all above 0")
        if self.transform == "swint" and [len(self.depths), len(self.hyper_depths)] != [4, 2]:
            raise ValueError("depths must be four and hyper_depths two")
        if self.transform == "swint" and any(width % HEADS for width in (*self.widths, *self.hyper_widths)):
            raise ValueError(f"all widths must be multiples of {HEADS}, the heads")
        if self.context == "charm" and self.widths[-1] % SLICE:
            raise ValueError(f"the last of widths must be a multiple of {SLICE}, a slice's channels")

    @classmethod
    def of(cls, codec: str, size: Size = "M") -> "TbtcConfig":
        """Return the paper's config for a codec id, such as "tbtc-swint-charm"."""
        if transform_of(codec) == "conv":
            return cls("conv", context_of(codec), *CONV_SIZES[size])
        return cls("swint", context_of(codec), *SWINT_SIZES[size], (2, 2, 6, 2), (5, 1))

    @property
    def codec(self) -> str:
        """The codec's id."""
        return f"tbtc-{self.transform}-{self.context}"


CONV_REACH = Reach(64, local=True)
"""Four transposed convolutions make a pixel depend on latents up to 15 pixels beside it."""
SWINT_REACH = Reach(128)
"""A window at 1/16. Shifted windows of all stages reach further, but no more than 0.1 % of a change arrives there."""


def reach_of(codec: str) -> Reach:
    """Return what the transforms of a codec's id see around a tile."""
    return SWINT_REACH if transform_of(codec) == "swint" else CONV_REACH


def transform_of(codec: str) -> Transform:
    """Return the transforms that a codec's id names."""
    return "swint" if "-swint-" in codec else "conv"


def context_of(codec: str) -> Context:
    """Return the context that a codec's id names."""
    return "charm" if codec.endswith("-charm") else "hyperprior"
