"""Generalised divisive normalisation, compressai's with less traffic through memory."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nic_nn.compressai_parts import GDN as CompressaiGDN

CHUNK = 4096
"""Positions normalised at a time; what belongs to them then stays in the cache."""


class GDN(CompressaiGDN):
    """x / sqrt(beta + gamma x^2) at each position; the inverse multiplies (Balle et al., ICLR 2016).

    channels: of x, (N, C, H, W). inverse: whether to multiply.
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__(channels, inverse=inverse)
        # Constants of the parametrisation, no part of anybody's weights.
        for reparam in (self.beta_reparam, self.gamma_reparam):
            for owner, name in ((reparam, "pedestal"), (reparam.lower_bound, "bound")):
                owner.register_buffer(name, getattr(owner, name), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        beta, gamma = self.beta_reparam(self.beta), self.gamma_reparam(self.gamma)
        x = x.permute(0, 2, 3, 1).contiguous()
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self._normalise(x, beta, gamma).permute(0, 3, 1, 2)
        y = torch.empty_like(x)
        for part, out in zip(x.flatten(0, 2).split(CHUNK), y.flatten(0, 2).split(CHUNK), strict=True):
            out.copy_(self._normalise(part, beta, gamma))
        return y.permute(0, 3, 1, 2)

    def _normalise(self, x: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
        norm = F.linear(x * x, gamma, beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())
