"""How mini's analysis is trained alone: towards latents that a search would find, with every file as it was."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from nic_nn.refinement.relaxation import Relaxed, curvature, expected
from nic_nn.training.batch import Batch
from nic_nn.training.networks import Networks
from nic_nn.training.recipe import bits_per_pixel
from torch import Tensor

from nic_mini.synthesis_recipe import MiniSynthesis


@dataclass(frozen=True)
class MiniAnalysis(MiniSynthesis):
    """Rate-distortion training of g_a and h_a alone; nothing that reads files changes, so both fingerprints stay.

    The loss is what `nic encode --effort` lowers for one picture, see `nic_nn.refinement.relaxation`: the mean cost of
    rounding each latent at random to one of its neighbours. Where noise or gradients passed straight through compare
    no two roundings, this does. Pictures draw qualities, and weigh, as in `MiniRecipe`. mse, msssim and wasserstein are
    not used.

    sharpness: of rounding, see `Relaxed`.
    """

    lr: float = 3e-4
    sharpness: float = 8.0

    learning: ClassVar[tuple[str, ...]] = ("model.g_a.", "model.h_a.")

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch."""
        model, x, quality = networks.model, batch.pixels, self.qualities(batch)
        y = model.analyse(x, quality)
        synthesise = partial(model.synthesise, quality=quality)
        pixels = x.shape[2] * x.shape[3]
        if model.training:
            found = expected(model, y, model.h_a(y), Relaxed(self.sharpness))
            y_hat, bpp = found.y_hat, found.bits / pixels
            spread = (curvature(synthesise, y, None) * found.variance).flatten(1).sum(1)
        else:
            latents = model.estimate(y)
            y_hat, spread = latents.y_hat, x.new_zeros(len(x))
            bpp = bits_per_pixel(latents.output(x), x)
        squared = (synthesise(y_hat).clamp(0, 1) - x).square().flatten(1)
        lmbda = model.lambda_of(quality)
        cost = lmbda * 255**2 * (squared.mean(1) + spread / squared.shape[1]) + bpp
        weight = (sum(model.config.lambdas) / 2 / lmbda).sqrt()
        psnr = -10 * squared.detach().mean(1).clamp(min=1e-10).log10()
        return {"loss": (weight * cost).mean(), "bpp": bpp.mean(), "psnr": psnr.mean()}
