"""The four models of Zhu, Yang and Cohen, Transformer-based Transform Coding, ICLR 2022, appendix A.3.

One class: convolutional or Swin transforms (`nic_tbtc.transforms`) around the mean-scale hyperprior, with or without
the channel-wise context ChARM.
"""

import torch
from nic_nn.model import Hyperprior
from nic_nn.nets.charm import Charm

from nic_tbtc import transforms
from nic_tbtc.config import SLICE, TbtcConfig


class Tbtc(Hyperprior):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns.

    In training, probabilities are taken with noise while y_hat and z_hat are rounded straight-through.
    """

    def __init__(self, config: TbtcConfig) -> None:
        latent, hyper = config.widths[-1], config.hyper_widths[-1]
        super().__init__((latent, hyper))
        self.config = config
        if config.transform == "conv":
            self.g_a = transforms.conv_analysis(config.widths)
            self.g_s = transforms.conv_synthesis(config.widths)
            self.h_a = transforms.conv_hyper_analysis(latent, config.hyper_widths)
            self.h_s = transforms.conv_hyper_synthesis(latent, config.hyper_widths)
        else:
            pixels = config.widths, config.depths, transforms.WINDOW
            latents = config.hyper_widths, config.hyper_depths, transforms.HYPER_WINDOW
            self.g_a = transforms.swint_analysis(3, *pixels)
            self.g_s = transforms.swint_synthesis(3, *pixels)
            self.h_a = transforms.swint_analysis(latent, *latents)
            self.h_s = transforms.swint_synthesis(2 * latent, *latents)
            self.graphs = ()  # torch.export takes no windows whose padding depends on the picture's size
        if config.context == "charm":
            self.charm = Charm(latent, SLICE)
            self.order = self.charm.order
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)
