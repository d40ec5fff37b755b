"""A context in raster order: each position from the hyper-synthesis and a window of positions before it.

Minnen et al., Joint Autoregressive and Hierarchical Priors for Learned Image Compression, NeurIPS 2018.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nic_nn.latent import Context, Params, Scan
from nic_nn.layers import Pointwise


class RasterScan(nn.Module):
    """Predicts y from the hyper-synthesis and the window's part above and to the left of each position.

    Coding goes by waves, which are also the order of the symbols in a stream: position (i, j) is in wave j + s * i with
    s = window // 2 + 1, so that all it depends on is in earlier waves. A latent of h x w takes w + s * (h - 1) waves
    instead of h * w steps. Encoder and decoder run the same waves, for equal floats down to the last bit; the single
    pass of measuring sums in another order, so its floats differ in the last bits.

    channels: of y. window: its odd side.
    """

    def __init__(self, channels: int, window: int = 5) -> None:
        super().__init__()
        self.reach = window // 2
        self.window = nn.Conv2d(channels, 2 * channels, window, padding=self.reach)
        self.before = window * window // 2  # taps in front of the window's centre
        self.predict = nn.Sequential(
            Pointwise(4 * channels, 10 * channels // 3),
            nn.LeakyReLU(inplace=True),
            Pointwise(10 * channels // 3, 8 * channels // 3),
            nn.LeakyReLU(inplace=True),
            Pointwise(8 * channels // 3, 2 * channels),
        )

    def steps(self, hyper: Tensor) -> Context:
        """Run the context on the output of the hyper-synthesis, (N, 2C, h, w); return y_hat."""
        return (yield Scan(partial(self._whole, hyper), partial(self._waves, hyper)))

    def _whole(self, hyper: Tensor, y_hat: Tensor) -> Params:
        weight = self.window.weight
        ahead = torch.arange(weight[0, 0].numel(), device=weight.device).view_as(weight[0, 0]) >= self.before
        seen = F.conv2d(y_hat, weight.masked_fill(ahead, 0), self.window.bias, padding=self.reach)
        scale, mean = self.predict(torch.cat([hyper, seen], 1)).chunk(2, 1)
        return Params(mean, scale)

    def _waves(self, hyper: Tensor) -> Context:
        count, _, height, width = hyper.shape
        reach, device = self.reach, hyper.device
        weight = self.window.weight.flatten(2)[..., : self.before]
        taps = weight.transpose(1, 2).flatten(1)  # (2C, before * C)
        offset = torch.arange(self.before, device=device)
        down, right = offset // (2 * reach + 1), offset % (2 * reach + 1)
        # With a border of zeros, and channels last, so that a window is gathered in long runs.
        decoded = hyper.new_zeros(count, height + reach, width + 2 * reach, weight.shape[1])
        slope = reach + 1
        for wave in range(width + slope * (height - 1)):
            first = max(-(-(wave - width + 1) // slope), 0)
            row = torch.arange(first, min(wave // slope, height - 1) + 1, device=device)
            column = wave - slope * row
            window = decoded[:, row[:, None] + down, column[:, None] + right].flatten(2)  # (N, k, before * C)
            seen = F.linear(window, taps, self.window.bias).transpose(1, 2)
            scale, mean = self.predict(torch.cat([hyper[..., row, column], seen], 1)[..., None]).chunk(2, 1)
            y_hat = yield Params(mean[..., 0], scale[..., 0], at=(row, column))
            decoded[:, row + reach, column + reach] = y_hat.transpose(1, 2)
        return decoded[:, reach:, reach : reach + width].permute(0, 3, 1, 2)
