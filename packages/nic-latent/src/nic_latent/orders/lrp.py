"""Slices with latent residual prediction (Minnen and Singh, ICIP 2020, section 3.2): CCA's order and TCM's."""

from collections.abc import Sequence
from dataclasses import dataclass

from nic_latent.orders.context import Context, Nets, Params, Value, slices_of, within


@dataclass(frozen=True)
class LrpOrder:
    """Slice after slice; each sees the hyper-synthesis, scales first, and slices before it.

    Of a decoded slice its rounding error is predicted and added, before later slices and the synthesis see it. The nets
    of slice i are in the model's "predictors.i", a `nic_nn.lrp.SlicePredictor`.

    sizes: channels of each slice. lag: how many slices just before it a slice does not see.
    residuals: of how many slices, from the first, the rounding error is predicted; None for all.
    """

    sizes: Sequence[int]
    lag: int = 0
    residuals: int | None = None

    def __call__(self, nets: Nets, hyper: Value) -> Context:
        """Run the order on the output of the hyper-synthesis; parts come with their predicted rounding errors added."""
        decoded: list[Value] = []
        for index, channels in enumerate(slices_of(self.sizes)):
            seen = decoded[: max(index - self.lag, 0)]
            residual = self.residuals is None or index < self.residuals
            decoded.append((yield from _slice(within(nets, f"predictors.{index}"), hyper, seen, channels, residual)))
        return decoded


def _slice(nets: Nets, hyper: Value, seen: list[Value], channels: slice, residual: bool) -> Context:
    hyper_scale, hyper_mean = hyper.chunk(2, 1)
    features = nets("mean_features", hyper_mean, *seen)
    scale = nets("scale", nets("scale_features", hyper_scale, *seen))
    y_hat = yield Params(nets("mean", features), scale, channels)
    return y_hat + nets("residual", features, y_hat) if residual else y_hat
