"""The smallest model of latents, for tests of what is around models."""

from dataclasses import dataclass

import torch
from torch import nn

from nic_nn.model import Hyperprior


@dataclass(frozen=True)
class TinyConfig:
    """Channels of y and z."""

    main: int = 6
    hyper: int = 4


class Tiny(Hyperprior):
    """One convolution for each transform."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__((config.main, config.hyper))
        self.config = config
        self.g_a = nn.Conv2d(3, config.main, 16, 16)
        self.g_s = nn.ConvTranspose2d(config.main, 3, 16, 16)
        self.h_a = nn.Conv2d(config.main, config.hyper, 4, 4)
        self.h_s = nn.ConvTranspose2d(config.hyper, 2 * config.main, 4, 4)


def tiny(seed: int = 0) -> Tiny:
    """Return a tiny model with weights that give latents and pictures some variety."""
    torch.manual_seed(seed)
    model = Tiny(TinyConfig()).eval()
    state = model.state_dict()
    for name, gain in (("g_a", 40), ("h_a", 2), ("h_s", 6), ("g_s", 0.7)):
        state[f"{name}.weight"] *= gain
    state["h_s.bias"][:6] = 15  # scales
    state["g_s.bias"] += 0.5
    model.load_state_dict(state)
    return model
