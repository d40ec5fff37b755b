"""Sizes of the model."""

from dataclasses import dataclass

from nic_latent.tiles.geometry import Reach

REACH = Reach(64, local=True)
"""Four convolutions make a pixel depend on latents up to 31 pixels beside it; tiles see a whole stride more."""


@dataclass(frozen=True)
class CheckersConfig:
    """What a model is rebuilt from; it stands in weights files, as JSON.

    width: channels of the transforms; latent: of y; hyper: of z and the hyper-synthesis; context: of its nets.
    """

    width: int = 96
    latent: int = 128
    hyper: int = 96
    context: int = 128

    def __post_init__(self) -> None:
        """Check what a file may have wrong; ValueError."""
        if min(self.width, self.latent, self.hyper, self.context) < 1:
            raise ValueError("width, latent, hyper and context must be at least 1")
