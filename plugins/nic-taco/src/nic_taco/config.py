"""The sizes of a model."""

from dataclasses import dataclass

from nic_latent.tiles.geometry import Reach

HEADS = 8
"""Of every cross-attention; nothing in a checkpoint tells their number."""


REACH = Reach(128, local=True)
"""A pixel depends on latents up to 117 pixels away."""


@dataclass(frozen=True)
class TacoConfig:
    """Sizes of a model; the defaults are the published one's.

    width: channels of the transforms, and of z.
    slices: channels of each slice of y, in coding order.
    text_width: of the text features, one vector for each token.
    context_widths: of the nets that predict a slice from those before it.

    ValueError for no slices and for widths that the attention's heads do not divide.
    """

    width: int = 192
    slices: tuple[int, ...] = (16, 16, 32, 64, 192)
    text_width: int = 512
    context_widths: tuple[int, ...] = (224, 128)

    def __post_init__(self) -> None:
        """Check the sizes."""
        if not self.slices or min(self.slices) < 1:
            raise ValueError("there must be at least one slice, of one channel or more")
        if self.width % HEADS or self.text_width % HEADS:
            raise ValueError(f"width ({self.width}) and text_width ({self.text_width}) must be multiples of {HEADS}")

    @property
    def latent(self) -> int:
        """Channels of y."""
        return sum(self.slices)
