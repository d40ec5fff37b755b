"""What the latents of one picture cost: lambda * 255^2 * MSE + bits per pixel, times the pixels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from nic_core import progress
from nic_core.format.tiling import Area
from torch import Tensor

from nic_nn.entropy.coders import WRITTEN
from nic_nn.entropy.latent import channels_last
from nic_nn.model import LatentModel
from nic_nn.refinement.relaxation import Relaxed, curvature, expected


@dataclass(frozen=True)
class Objective:
    """The cost of a picture's latents, in bits.

    model: whose latents they are, with all of its parameters and with what it codes by.
    x: the picture (1, C, H, W) in [0, 1], padded to whole strides. size: height and width without the padding, in which
    errors count. gray: whether they are those of the channels' mean.
    synthesise: returns the padded picture of y_hat. lmbda: weight of 255^2 MSE against a bit per pixel.
    """

    model: LatentModel
    x: Tensor
    size: tuple[int, int]
    synthesise: Callable[[Tensor], Tensor]
    lmbda: float
    gray: bool = False

    def coded(self, y: Tensor, z: Tensor) -> float:
        """Return what latents cost that are coded, in every bit of the stream and in what it decodes to."""
        with torch.inference_mode(), progress.quietly():
            stream, _ = self.model.encode_latents(channels_last(y), channels_last(z))
            y_hat, _ = self.model.decode_stream(stream, (z.shape[2], z.shape[3]), WRITTEN)
            return 8 * len(stream) + float(self._distortion(self._visible(y_hat)))

    def relaxed(self, y: Tensor, z: Tensor, rounding: Relaxed, curvature: Tensor) -> Tensor:
        """Return about what latents cost where y is rounded at random, with gradients. curvature: see `curved`."""
        found = expected(self.model, y, z, rounding)
        return found.bits + self._distortion(self._visible(found.y_hat)) + (curvature * found.variance).sum()

    def curved(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Return what a unit of a latent's variance costs by the error that it makes, (1, C, 1, 1)."""
        return self._weight * curvature(self._visible, y, generator)

    def within(self, area: Area) -> "Objective":
        """Return that of a part of the padded picture."""
        x = self.x[..., area.y : area.bottom, area.x : area.right]
        size = min(area.height, self.size[0] - area.y), min(area.width, self.size[1] - area.x)
        return replace(self, x=x, size=size)

    @property
    def _weight(self) -> float:
        """The bits that a squared error of 1 in a sample is worth."""
        return self.lmbda * 255**2 / (1 if self.gray else self.x.shape[1])

    def _distortion(self, visible: Tensor) -> Tensor:
        return self._weight * (visible - self._cut(self.x)).square().sum()

    def _visible(self, y_hat: Tensor) -> Tensor:
        return self._cut(self.synthesise(y_hat))

    def _cut(self, x: Tensor) -> Tensor:
        x = x[..., : self.size[0], : self.size[1]].float().clamp(0, 1)
        return x.mean(1, keepdim=True) if self.gray else x
