"""The auxiliary entropy models of the causal context adjustment loss; used in training only (section 3.2)."""

import torch
from nic_latent.orders.context import drive, slices_of
from nic_latent.orders.lrp import LrpOrder
from nic_nn.entropy.latent import Estimate, Noise, full_precision, nets_of
from nic_nn.entropy.priors import FactorizedPrior, GaussianPrior
from torch import Tensor, nn

from nic_cca.config import CcaConfig
from nic_cca.model import predictor


class AuxiliaryEntropyModel(nn.Module):
    """Two more models of y: one whose slices each see one slice less, and one without any context.

    Slice i sees the hyper-synthesis and the slices before i - 1, so what the loss compares is how much the slice just
    before helps.
    """

    def __init__(self, config: CcaConfig) -> None:
        super().__init__()
        slices = slices_of(config.slices)
        last_seen = len(slices) - 2
        self.order = LrpOrder(config.slices, lag=1, residuals=last_seen)
        self.predictors = nn.ModuleList(
            predictor(config, slices[max(i - 1, 0)].start, channels.stop - channels.start, residual=i < last_seen)
            for i, channels in enumerate(slices)
        )
        self.entropy_bottleneck = FactorizedPrior(sum(config.slices))
        self.gaussian = GaussianPrior()
        self.to(memory_format=torch.channels_last)

    def forward(self, y: Tensor, hyper: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Return log-likelihoods of y, in nats, under the shortened context and without context; shaped like y.

        hyper: the hyper-synthesis of z_hat. noise: stands for rounding while training; None for rounding.
        """
        shortened = Estimate(y, self.gaussian, noise)
        drive(self.order(nets_of(self), hyper), shortened)
        with torch.autocast(y.device.type, enabled=False):
            centred = full_precision(y) - self.entropy_bottleneck.medians
            measured = centred.round() if noise is None else centred + noise(centred)
            alone = self.entropy_bottleneck.log_likelihood(measured + self.entropy_bottleneck.medians)
        return shortened.log_likelihood, alone
