"""The model: the four transforms of a hyperprior, and the nets that `order` calls."""

from itertools import pairwise

from nic_nn.model import LatentModel
from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import conv, deconv
from torch import nn

from nic_checkers.config import CheckersConfig
from nic_checkers.order import two_passes


class Checkers(LatentModel):
    """x at full size, y at 1/16, z at 1/64.

    h_s gives features of y's size. From them `anchors` predicts the first pass, scales and means along the channels;
    `around` looks at the decoded first pass, and `rest` predicts the second from both.
    """

    def __init__(self, config: CheckersConfig) -> None:
        super().__init__((config.latent, config.hyper))
        self.config, self.order = config, two_passes
        width, latent, hyper, context = config.width, config.latent, config.hyper, config.context
        self.g_a = analysis((3, width, width, width, latent))
        self.g_s = synthesis((latent, width, width, width, 3))
        self.h_a = nn.Sequential(
            conv(latent, hyper, 3, 1), nn.ReLU(), conv(hyper, hyper), nn.ReLU(), conv(hyper, hyper)
        )
        self.h_s = nn.Sequential(deconv(hyper, hyper), nn.ReLU(), deconv(hyper, hyper), nn.ReLU())
        self.anchors = nn.Sequential(conv(hyper, context, 1, 1), nn.ReLU(), conv(context, 2 * latent, 1, 1))
        self.around = conv(latent, context, 5, 1)
        self.rest = nn.Sequential(conv(hyper + context, context, 1, 1), nn.ReLU(), conv(context, 2 * latent, 1, 1))


def analysis(widths: tuple[int, ...]) -> nn.Sequential:
    """Return convolutions that halve the sides, with GDN between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [conv(inputs, outputs), GDN(outputs)]
    return nn.Sequential(*layers[:-1])


def synthesis(widths: tuple[int, ...]) -> nn.Sequential:
    """Return transposed convolutions that double the sides, with inverse GDN between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [deconv(inputs, outputs), GDN(outputs, inverse=True)]
    return nn.Sequential(*layers[:-1])
