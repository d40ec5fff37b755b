"""The codec `taco`: the shared latent codec, with a caption's features handed to the model's encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption
from nic_core.pictures.scaling import reduced
from nic_core.pictures.strips import Pixels
from nic_latent.config import from_json
from nic_latent.geometry import Reach
from nic_nn.codec import LatentCodec
from torch import Tensor

from nic_taco.config import REACH, TacoConfig
from nic_taco.model import Taco


class TacoCodec(LatentCodec):
    """See `nic_taco.model`. Only encoding imports a text encoder or a captioner; decoding needs neither."""

    loaded: Taco

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    @staticmethod
    def build(config: dict[str, Any]) -> Taco:
        """Return the model of a config, without weights."""
        return Taco(from_json(TacoConfig, config))

    def prepared(self, pixels: Pixels, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options with the caption's features.

        BadOption for a text beside caption=auto and for a CLIP that does not fit.
        """
        text = options["text"]
        if options["caption"] == "auto":
            if text:
                raise BadOption("give a text, or caption=auto to have one written, not both")
            large = pixels.shape[0] * pixels.shape[1] > self.tile**2
            text = self.describe(np.asarray(reduced(pixels, 8 if large else 1)))
        return {**options, "features": self.features(text, options["clip"])}

    def compress_batch(
        self, pictures: Sequence[np.ndarray], quality: float | None, options: dict[str, Any]
    ) -> list[Coded]:
        """See `PixelCodec.compress_batch`; one by one, since each may have a caption of its own."""
        return PixelCodec.compress_batch(self, pictures, quality, options)

    def analyse(self, x: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Return y of a padded picture with its caption."""
        return self.loaded.g_a(x, options["features"])

    def describe(self, pixels: np.ndarray) -> str:
        """Return what a captioner sees in pixels (H, W, 1 or 3)."""
        from nic_taco.captioner import describe

        scaled = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
        return describe(np.broadcast_to(scaled, (*scaled.shape[:2], 3)), device=self.torch_device)

    def features(self, text: str, clip: str) -> Tensor:
        """Return the features (1, T, text_width) of a caption."""
        from nic_taco.text import load_text_encoder

        encoder, wanted = load_text_encoder(clip, self.torch_device), self.loaded.config.text_width
        if encoder.width != wanted:
            raise BadOption(
                f"the weights take text features {wanted} wide, this CLIP gives {encoder.width}: "
                "give the one they were trained with as clip"
            )
        return encoder.embed([text])
