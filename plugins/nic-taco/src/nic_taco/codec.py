"""The codec `taco`: the shared latent codec, with a caption's features handed to the model's encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nic_core import progress
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption
from nic_core.format.container import Header
from nic_core.format.tiling import Tiling
from nic_core.pictures.scaling import reduced
from nic_core.pictures.strips import Pixels
from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec
from nic_nn.distances.lpips import load_lpips, lpips
from nic_nn.pixels import to_tensor
from torch import Tensor

from nic_taco.config import REACH, TacoConfig
from nic_taco.model import Taco

SMALLEST = 32
"""Pixels a side that LPIPS needs."""


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
        (text, *_) = texts_of(options)
        if options["caption"] == "auto":
            if text:
                raise BadOption("give a text, or caption=auto to have one written, not both")
            large = pixels.shape[0] * pixels.shape[1] > self.tile**2
            text = self.describe(np.asarray(reduced(pixels, 8 if large else 1)))
        return {**options, "features": self.features(text, options["clip"])}

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`; of several captions that are to be tried, with the one that comes out nearest.

        Nearest by LPIPS of values in [0, 1], as the authors' script for MS-COCO 30k compares them.
        """
        texts = texts_of(options)
        if len(texts) == 1:
            return super().compress(pixels, quality, options)
        if min(pixels.shape[:2]) < SMALLEST:
            raise BadOption(f"captions-best compares pictures of {SMALLEST} pixels a side at least: leave it out")
        load_lpips(device=self.torch_device)  # what is missing is said before anything is computed
        x = to_tensor(pixels, 1, self.torch_device)
        best: tuple[float, str, Coded] | None = None
        for text in progress.track(texts, "trying captions", len(texts)):
            coded = super().compress(pixels, quality, {**options, "text": text})
            x_hat = to_tensor(self._decoded(coded, pixels), 1, self.torch_device)
            with torch.inference_mode():
                distance = float(lpips(x_hat, x, values="unit"))
            if best is None or distance < best[0]:
                best = distance, text, coded
        assert best is not None
        progress.note(f"of {len(texts)} captions the nearest by LPIPS, {best[0]:.4f}: {best[1]}")
        return best[2]

    def compress_tiles(self, pixels: Pixels, tiling: Tiling, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress_tiles`; BadOption where several captions are to be tried."""
        if len(texts_of(options)) > 1:
            raise BadOption(
                "captions-best compares whole pictures, and this one is coded in tiles: leave it out, or give a larger "
                "--tile"
            )
        return super().compress_tiles(pixels, tiling, quality, options)

    def _decoded(self, coded: Coded, like: np.ndarray) -> np.ndarray:
        """Return the pixels of what was coded, of the size, channels and depth of others."""
        height, width, channels = like.shape
        header = Header(
            width,
            height,
            channels,
            8 * like.dtype.itemsize,
            self.info.codec,
            coded.coder,
            self.info.entropy_id,
            self.info.synthesis_id,
            None,
            coded.checksum & 0xFFFF,
        )
        return self.decompress(coded.units, header, {})

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


def texts_of(options: dict[str, Any]) -> tuple[str, ...]:
    """Return the captions to try, one or more: of those that were given as many as `captions-best` says."""
    text = options["text"]
    return (text,) if isinstance(text, str) else tuple(text[: options["captions_best"]])
