"""Runs a model's context over calibration pictures and makes every net that it calls."""

from dataclasses import dataclass, field

import numpy as np
from nic_latent.arithmetic import rounded_shift, saturated
from nic_latent.coding import LATENT_GRID
from nic_latent.context import Params, Scan
from nic_latent.fixed import Fixed
from nic_latent.nets import Net
from torch import nn

from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Widths


@dataclass
class Exporter:
    """Nets for a context, made from a model's modules when they are first called."""

    model: nn.Module
    widths: Widths = field(default_factory=Widths)
    nets: dict[str, Net] = field(default_factory=dict)

    def __call__(self, name: str, *inputs: Fixed) -> Fixed:
        """Make a net, or run it if it is made."""
        if name in self.nets:
            return self.nets[name](*inputs)
        builder = Builder(self.widths, inputs)
        made = builder.emit(self.model.get_submodule(name), tuple(range(len(inputs))), name)
        self.nets[name] = builder.net()
        return builder.values[made]


@dataclass(frozen=True)
class Round:
    """Partner of a context that rounds y, of any number of pictures, and codes nothing."""

    y: Fixed

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):  # whose means need y_hat first: y itself is rounded, near enough for calibration
            whole = rounded_shift(self.y.values.astype(np.int64), LATENT_GRID)
            y_hat = Fixed(saturated(whole << LATENT_GRID), LATENT_GRID)
            group.whole(y_hat)
            return y_hat
        mean = group.mean.on(LATENT_GRID).values.astype(np.int64)
        y = self.y.values if group.channels is None else self.y.values[..., group.channels]
        y_hat = (rounded_shift(y - mean, LATENT_GRID) << LATENT_GRID) + mean
        if group.parity is not None:
            row, column = np.indices(y.shape[1:3])
            y_hat = y_hat * ((row + column) % 2 == group.parity)[..., None]
        return Fixed(saturated(y_hat), LATENT_GRID)
