"""The nets of a context with latent residual prediction; see `nic_latent.orders.lrp`."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nic_nn.entropy.latent import full_precision
from nic_nn.integers.draft import Draft
from nic_nn.integers.forms import curved, sequence
from nic_nn.nets.layers import conv_chain


class HyperSynthesis(nn.Module):
    """h_s as one synthesis for scales and one for means; z_hat to 2C channels, scales first."""

    def __init__(self, scale: nn.Module, mean: nn.Module) -> None:
        super().__init__()
        self.scale, self.mean = scale, mean

    def forward(self, z_hat: Tensor) -> Tensor:
        """Return what the order reads."""
        return torch.cat([self.scale(z_hat), self.mean(z_hat)], 1)


class RoundingError(nn.Sequential):
    """A chain of layers to what was lost in rounding, -0.5 to 0.5."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the sides."""
        return 0.5 * torch.tanh(full_precision(super().forward(x)))

    def integer_form(self, build: Draft, inputs: tuple[int, ...], name: str) -> int:
        """See `nic_nn.integers.builder`."""
        bound = curved(build, sequence(build, self, inputs, name), "tanh")
        return build.affine(bound, np.full(build.values[bound].values.shape[-1], 0.5))


class SlicePredictor(nn.Module):
    """The nets that predict one slice of y.

    inputs: channels of one half of the hyper-synthesis and of the earlier slices that it sees; size: of the slice.
    features: returns a net that keeps so many channels, from which mean or scale are then read.
    widths: of the 3x3 convolutions, with GELU between, that read them.
    residual: whether it also predicts the rounding error of the slice.
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        features: Callable[[int], nn.Module],
        widths: Sequence[int],
        residual: bool = True,
    ) -> None:
        super().__init__()

        def reduce(channels: int) -> nn.Sequential:
            return conv_chain((channels, *widths, size), 3, nn.GELU)

        self.mean_features, self.scale_features = features(inputs), features(inputs)
        self.mean, self.scale = reduce(inputs), reduce(inputs)
        self.residual = RoundingError(*reduce(inputs + size)) if residual else None
