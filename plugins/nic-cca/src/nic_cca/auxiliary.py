"""The auxiliary entropy models of the causal context adjustment loss; used in training only (section 3.2)."""

import torch
from nic_nn.latent import Context, Estimate, Noise, drive, full_precision, slices_of
from nic_nn.priors import FactorizedPrior, GaussianPrior
from torch import Tensor, nn

from nic_cca.config import CcaConfig
from nic_cca.model import SlicePredictor


class AuxiliaryEntropyModel(nn.Module):
    """Two more models of y: one whose slices each see one slice less, and one without any context.

    Slice i sees the hyper-synthesis and the slices before i - 1, so what the loss compares is how much the slice just
    before helps.
    """

    def __init__(self, config: CcaConfig) -> None:
        super().__init__()
        self.slices = slices_of(config.slices)
        last_seen = len(self.slices) - 2
        self.predictors = nn.ModuleList(
            SlicePredictor(config, self._seen(i), channels.stop - channels.start, residual=i < last_seen)
            for i, channels in enumerate(self.slices)
        )
        self.entropy_bottleneck = FactorizedPrior(sum(config.slices))
        self.gaussian = GaussianPrior()
        self.to(memory_format=torch.channels_last)

    def _seen(self, index: int) -> int:
        """Return the channels of the slices that a slice sees."""
        return self.slices[max(index - 1, 0)].start

    def context(self, hyper: Tensor) -> Context:
        """Slice after slice, each without the one just before it."""
        decoded: list[Tensor] = []
        for index, (channels, predictor) in enumerate(zip(self.slices, self.predictors, strict=True)):
            seen = decoded[: max(index - 1, 0)]
            decoded.append((yield from predictor.steps(hyper, seen, channels)))  # type: ignore[operator]
        return torch.cat(decoded, 1)

    def forward(self, y: Tensor, hyper: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Return log-likelihoods of y, in nats, under the shortened context and without context; shaped like y.

        hyper: the hyper-synthesis of z_hat. noise: stands for rounding while training; None for rounding.
        """
        shortened = Estimate(y, self.gaussian, noise)
        drive(self.context(hyper), shortened)
        with torch.autocast(y.device.type, enabled=False):
            centred = full_precision(y) - self.entropy_bottleneck.medians
            measured = centred.round() if noise is None else centred + noise(centred)
            alone = self.entropy_bottleneck.log_likelihood(measured + self.entropy_bottleneck.medians)
        return shortened.log_likelihood, alone
