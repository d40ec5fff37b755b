"""Generalised divisive normalisation, compressai's with less traffic through memory."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nic_nn.nets.compressai_parts import GDN as CompressaiGDN

CHUNK = 4096
"""Positions normalised at a time; what belongs to them then stays in the cache."""
LEARNING_CHUNK = 1024
"""The same where gradients are computed, which hold more of each position."""


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
        # A graph must hold for any size, and the number of parts depends on it.
        lower = torch.is_autocast_enabled("cpu")
        if x.device.type != "cpu" or (lower and torch.is_grad_enabled()) or torch.compiler.is_compiling():
            return self._normalise(x, beta, gamma).permute(0, 3, 1, 2)
        if torch.is_grad_enabled():
            return _Normalise.apply(x, beta, gamma, self.inverse).permute(0, 3, 1, 2)
        y = torch.empty_like(x)
        for part, out in zip(x.flatten(0, 2).split(CHUNK), y.flatten(0, 2).split(CHUNK), strict=True):
            out.copy_(self._normalise(part, beta, gamma))
        return y.permute(0, 3, 1, 2)

    def _normalise(self, x: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
        norm = F.linear(x * x, gamma, beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


class _Normalise(torch.autograd.Function):
    """What `GDN` does to positions (..., C), with gradients, a few positions at a time.

    Kept for the gradients are x and the factor on it alone, where torch's own would keep every value in between.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, beta: Tensor, gamma: Tensor, inverse: bool) -> Tensor:
        y, factor = torch.empty_like(x), torch.empty_like(x)
        for part, scale, out in zip(*(_parts(whole) for whole in (x, factor, y)), strict=True):
            torch.addmm(beta, part * part, gamma.t(), out=scale)
            (scale.sqrt_() if inverse else scale.rsqrt_())
            torch.mul(part, scale, out=out)
        ctx.save_for_backward(x, factor, gamma)
        ctx.inverse = inverse
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, factor, gamma = ctx.saved_tensors
        dy = dy.contiguous()
        dx, dbeta, dgamma = torch.empty_like(x), gamma.new_zeros(len(gamma)), torch.zeros_like(gamma)
        for part, scale, given, out in zip(*(_parts(whole) for whole in (x, factor, dy, dx)), strict=True):
            # Of the norm n: y = x sqrt(n) or x / sqrt(n), so dn = dy x / (2 sqrt(n)) or -dy x / (2 n sqrt(n)).
            dnorm = (given * part).mul_(0.5).div_(scale) if ctx.inverse else _cube(scale).mul_(given).mul_(part)
            squares = part * part
            dgamma.addmm_(dnorm.t(), squares)
            dbeta += dnorm.sum(0)
            torch.mm(dnorm, gamma, out=out)
            out.mul_(part).mul_(2).addcmul_(given, scale)
        return dx, dbeta, dgamma, None


def _cube(factor: Tensor) -> Tensor:
    return (factor * factor).mul_(factor).mul_(-0.5)


def _parts(whole: Tensor) -> tuple[Tensor, ...]:
    return whole.flatten(0, -2).split(LEARNING_CHUNK)
