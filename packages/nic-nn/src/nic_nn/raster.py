"""The nets of a context in raster order, and its coding in floating point; see `nic_latent.raster`."""

import torch
import torch.nn.functional as F
from nic_latent.orders.context import Context, Nets, Params, Scan
from nic_latent.raster import RasterOrder, waves
from torch import Tensor, nn

from nic_nn.integers.draft import Draft, array
from nic_nn.nets.layers import Pointwise


class Window(nn.Conv2d):
    """A convolution whose taps from the centre on, in raster order, count as zero."""

    @property
    def before(self) -> int:
        """How many taps are in front of the centre."""
        return self.kernel_size[0] ** 2 // 2

    def forward(self, x: Tensor) -> Tensor:
        """Keep the sides."""
        ahead = torch.arange(self.kernel_size[0] ** 2, device=x.device).view(self.kernel_size) >= self.before
        return F.conv2d(x, self.weight.masked_fill(ahead, 0), self.bias, padding=self.padding)

    def taps(self) -> Tensor:
        """Return the taps in front of the centre as a matrix, (outputs, before * inputs), position after position."""
        return self.weight.flatten(2)[..., : self.before].transpose(1, 2).flatten(1)


class Taps(nn.Module):
    """The window's taps in front of its centre, over what windows show along the channels, as coding sees them."""

    window: Window

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.__dict__["window"] = window  # whose parameters are the window's own and not this module's too

    def integer_form(self, build: Draft, inputs: tuple[int, ...], name: str) -> int:
        """See `nic_nn.integers.builder`."""
        assert self.window.bias is not None
        return build.products(array(self.window.taps())[:, :, None, None], array(self.window.bias), inputs)


class RasterScan(nn.Module):
    """Predicts y from the hyper-synthesis, (N, 2C, h, w), and the window's part above and to the left of each position.

    channels: of y. window: its odd side.
    """

    def __init__(self, channels: int, window: int = 5) -> None:
        super().__init__()
        self.order = RasterOrder(window // 2)
        self.window = Window(channels, 2 * channels, window, padding=window // 2)
        self.taps = Taps(self.window)
        self.predict = nn.Sequential(
            Pointwise(4 * channels, 10 * channels // 3),
            nn.LeakyReLU(inplace=True),
            Pointwise(10 * channels // 3, 8 * channels // 3),
            nn.LeakyReLU(inplace=True),
            Pointwise(8 * channels // 3, 2 * channels),
        )

    def steps(self, nets: Nets, hyper: Tensor) -> Context:
        """Run the order over tensors."""
        return [(yield Scan(lambda y_hat: self.order.whole(nets, hyper, y_hat), lambda: self._waves(hyper)))]

    def _waves(self, hyper: Tensor) -> Context:
        count, _, height, width = hyper.shape
        reach, device, before = self.order.reach, hyper.device, self.window.before
        taps = self.window.taps()
        offset = torch.arange(before, device=device)
        down, right = offset // (2 * reach + 1), offset % (2 * reach + 1)
        # With a border of zeros, and channels last, so that a window is gathered in long runs.
        decoded = hyper.new_zeros(count, height + reach, width + 2 * reach, self.window.in_channels)
        for rows, columns in waves(height, width, reach):
            row, column = (torch.from_numpy(places).to(device) for places in (rows, columns))
            window = decoded[:, row[:, None] + down, column[:, None] + right].flatten(2)  # (N, k, before * C)
            seen = F.linear(window, taps, self.window.bias).transpose(1, 2)
            scale, mean = self.predict(torch.cat([hyper[..., row, column], seen], 1)[..., None]).chunk(2, 1)
            y_hat = yield Params(mean[..., 0], scale[..., 0], at=(rows, columns))
            decoded[:, row + reach, column + reach] = y_hat.transpose(1, 2)
        return [decoded[:, reach:, reach : reach + width].permute(0, 3, 1, 2)]
