"""Training the entropy model alone, on latents that are rounded as files hold them.

While transforms learn, noise stands for rounding, and probabilities are trained for values with noise. What is coded is
rounded: at low rates most of it is zero, which noise hardly tells. After Soft then Hard (Guo et al., ICML 2021), the
transforms are kept, and the rate that falls is the one that files have.
"""

import dataclasses

import torch
from nic_latent.orders.context import Params, Scan, drive
from torch import Tensor

from nic_nn.entropy.latent import Estimate
from nic_nn.model import LatentModel
from nic_nn.training.synthesis import hard_z


class Rounded:
    """Partner of a context that measures y twice, so that scales learn from rounded values.

    Rounding hides from a mean what moving it would cost, so means learn from values with noise, as before; scales do
    not see these, nor means what is rounded.
    """

    def __init__(self, model: LatentModel, y: Tensor) -> None:
        self.with_noise, self.coded = Estimate(y, model.gaussian, model.noise), Estimate(y, model.gaussian)

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            raise NotImplementedError("a scan's means need y_hat first")
        self.with_noise(dataclasses.replace(group, scale=group.scale.detach()))
        return self.coded(dataclasses.replace(group, mean=group.mean.detach()))


def rates(model: LatentModel, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nats of each picture's y (N,), to be minimised by the entropy model: of means, and of scales.

    The latter is what is coded.
    """
    with torch.no_grad():
        z_hat = hard_z(model, y)
    measured = Rounded(model, y)
    list(drive(model.context(model.h_s(z_hat)), measured))
    by_means, by_scales = (-part.log_likelihood.flatten(1).sum(1) for part in (measured.with_noise, measured.coded))
    return by_means, by_scales
