"""How TACO is trained: for rate, squared error, LPIPS and what CLIP makes of pictures and captions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from nic_core.errors import BadOption
from nic_nn.distances.lpips import LpipsRange, lpips
from nic_nn.model import Compressed
from nic_nn.training.batch import Batch
from nic_nn.training.recipe import LARGEST, Limits, Networks, RateDistortion, bits_per_pixel
from nic_nn.training.start import Start, read_published
from torch import Tensor

from nic_taco.config import TacoConfig
from nic_taco.importer import import_checkpoint
from nic_taco.losses import joint_image_text
from nic_taco.model import Taco
from nic_taco.text import TextEncoder, load_text_encoder

UNIT = 24
"""What widths are multiples of, so that slices shrink in proportion."""


@dataclass(frozen=True)
class TacoRecipe(RateDistortion):
    """bpp + lambda * 255^2 * MSE + k_p * LPIPS + k_j * joint image-text loss; the defaults are the authors'.

    k_p, k_j: weights of LPIPS and of the joint loss; at 0 its network is not needed.
    lpips_range: "unit" gives LPIPS values in [0, 1], to which k_p is tuned; "signed" those that it was made for.
    clip_path: CLIP ViT-B/32, a file or folder (see `nic_taco.text.load_text_encoder`); empty to have it downloaded.
    lpips_path: torchvision's AlexNet, a file (see `nic_nn.distances.lpips.lpips`); empty to have it downloaded.
    steps: 50 epochs of the 82 783 pictures of MS-COCO's train2014; the authors leave out those below 256 pixels.
    epochs, milestones: `lr` and `other_lr` are divided by ten at 45 fiftieths of the steps and again at 48.
    val_whole: held-out pictures are coded as a whole, with their captions, and measured by PSNR, MS-SSIM and LPIPS.
    width: channels of the transforms; slices and context nets follow in proportion.
    text_width: of CLIP's text features; other than 512 only for another CLIP.
    """

    lmbda: float = 0.0004
    steps: int = 517_000
    epochs: int = 50
    milestones: tuple[float, ...] = (45, 48)
    val_whole: bool = True
    aux_lr: float = 1e-3
    clip: float = 1.0
    mirror: bool = False
    k_p: float = 3.5
    k_j: float = 0.0025
    lpips_range: LpipsRange = "unit"
    clip_path: str = ""
    lpips_path: str = ""
    width: int = 192
    text_width: int = 512

    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "k_p": (0, LARGEST),
        "k_j": (0, LARGEST),
        "width": (UNIT, 1536),
        "text_width": (1, 8192),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        if self.width < UNIT or self.width % UNIT:  # first, since it says more than the limits do
            raise BadOption(f"width must be a multiple of {UNIT}, not {self.width}")
        super().__post_init__()

    @property
    def needs(self) -> frozenset[str]:
        """Captions."""
        return frozenset({"text"})

    def base_config(self) -> TacoConfig:
        """Return the published config in proportion to the width."""
        published = TacoConfig()

        def scaled(widths: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(width * self.width // published.width for width in widths)

        return TacoConfig(self.width, scaled(published.slices), self.text_width, scaled(published.context_widths))

    def build_model(self) -> Taco:
        """Return a fresh model."""
        return Taco(self.config)

    def forward(self, networks: Networks, batch: Batch) -> dict[str, Any]:
        """Return what the model makes of pixels and captions."""
        return networks.model(batch.pixels, self._text_features(batch))

    def compress(self, networks: Networks, batch: Batch) -> Compressed:
        """Return the streams of pixels with their captions."""
        return networks.model.compress(batch.pixels, self._text_features(batch))

    def fidelity(self, x_hat: Tensor, x: Tensor) -> dict[str, float]:
        """Return PSNR, MS-SSIM, and LPIPS where the loss has it."""
        found = super().fidelity(x_hat, x)
        if self.k_p:
            found["lpips"] = float(lpips(x_hat, x, self.lpips_path, self.lpips_range).mean())
        return found

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the authors' training holds."""
        return read_published(import_checkpoint, path)

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        assert batch.text is not None, "the trainer gives what `needs` names"
        x = batch.pixels
        encoder = self._text_encoder(x.device)
        output = self.forward(networks, batch)
        bpp = bits_per_pixel(output, x)
        distortion, shown = self.distortion(output["x_hat"], x)
        loss = (self.lmbda * distortion + bpp).mean()
        if self.k_p:
            shown["lpips"] = lpips(output["x_hat"], x, self.lpips_path, self.lpips_range).mean()
            loss = loss + self.k_p * shown["lpips"]
        if self.k_j:
            shown["joint"] = joint_image_text(output["x_hat"], x, batch.text, encoder)
            loss = loss + self.k_j * shown["joint"]
        return {"loss": loss, "bpp": bpp.mean(), **shown}

    def _text_features(self, batch: Batch) -> Tensor:
        assert batch.text is not None, "the trainer gives what `needs` names"
        return self._text_encoder(batch.pixels.device).embed(batch.text)

    def _text_encoder(self, device: torch.device) -> TextEncoder:
        """Return CLIP; BadOption where it gives features of another width."""
        encoder = load_text_encoder(self.clip_path, device)
        wanted = self.config.text_width
        if encoder.width != wanted:
            raise BadOption(f"the recipe takes text features {wanted} wide, this CLIP gives {encoder.width}")
        return encoder
