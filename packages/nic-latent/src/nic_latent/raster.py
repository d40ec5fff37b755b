"""The raster order: each position from the hyper-synthesis and a window of positions before it.

Minnen et al., Joint Autoregressive and Hierarchical Priors for Learned Image Compression, NeurIPS 2018.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from nic_latent.coding import LATENT_GRID
from nic_latent.integers.fixed import Fixed
from nic_latent.orders.context import Context, Nets, Params, Scan, Value


def waves(height: int, width: int, reach: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns (k,) of the positions that are coded together, in coding order.

    Position (i, j) is in wave j + s * i with s = reach + 1, so that all that its window shows is in earlier waves. A
    latent of h x w takes w + s * (h - 1) waves instead of h * w steps.
    """
    slope = reach + 1
    for wave in range(width + slope * (height - 1)):
        first = max(-(-(wave - width + 1) // slope), 0)
        row = np.arange(first, min(wave // slope, height - 1) + 1)
        yield row, wave - slope * row


@dataclass(frozen=True)
class RasterOrder:
    """All of y as one group, see `Scan`.

    reach: how far the window reaches in each direction. name: of the module with the nets "window", a convolution whose
    taps from the centre on are zero; "taps", the taps before it, of windows laid out along the channels, position after
    position; and "predict", which gives scales and means from the hyper-synthesis and the window.
    """

    reach: int = 2
    name: str = "raster"

    def __call__(self, nets: Nets, hyper: Value) -> Context:
        """Run the order on the output of the hyper-synthesis."""
        return [(yield Scan(partial(self.whole, nets, hyper), partial(self._waves, nets, hyper)))]

    def whole(self, nets: Nets, hyper: Value, y_hat: Value) -> Params:
        """Return the parameters of all positions."""
        if not isinstance(y_hat, Fixed):
            scale, mean = nets(f"{self.name}.predict", hyper, nets(f"{self.name}.window", y_hat)).chunk(2, 1)
            return Params(mean, scale)
        count, height, width, channels = y_hat.values.shape
        decoded = self.bordered(count, height, width, channels)
        decoded[:, self.reach :, self.reach : self.reach + width] = y_hat.on(LATENT_GRID).values
        scale, mean = self.parameters(nets, hyper, self.windows(decoded, *np.indices((height, width))))
        return Params(mean, scale)

    def parameters(self, nets: Nets, hyper: Fixed, windows: np.ndarray) -> tuple[Fixed, Fixed]:
        """Return scales and means of positions from windows (N, h, w, before * C) on the latent grid."""
        seen = nets(f"{self.name}.taps", Fixed(windows, LATENT_GRID))
        scale, mean = nets(f"{self.name}.predict", hyper, seen).chunk(2)
        return scale, mean

    def windows(self, y_hat: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Return what the windows of positions show, (N, *positions, before * C).

        y_hat: (N, h + reach, w + 2 * reach, C), with a border of zeros above and at the sides.
        """
        side = 2 * self.reach + 1
        down, right = np.divmod(np.arange(side * side // 2), side)
        found = y_hat[:, row[..., None] + down, column[..., None] + right]
        return found.reshape(*found.shape[:-2], -1)

    def bordered(self, count: int, height: int, width: int, channels: int) -> np.ndarray:
        """Return zeros of the shape that `windows` wants."""
        return np.zeros((count, height + self.reach, width + 2 * self.reach, channels), np.int32)

    def _waves(self, nets: Nets, hyper: Fixed) -> Context:
        _, height, width, twice = hyper.values.shape
        decoded = self.bordered(1, height, width, twice // 2)
        for row, column in waves(height, width, self.reach):
            windows = self.windows(decoded, row, column)[:, None]
            scale, mean = self.parameters(nets, Fixed(hyper.values[:, row, column][:, None], hyper.grid), windows)
            y_hat = yield Params(mean, scale, at=(row, column))
            decoded[:, row + self.reach, column + self.reach] = y_hat.values[:, 0]
        return [Fixed(decoded[:, self.reach :, self.reach : self.reach + width], LATENT_GRID)]
