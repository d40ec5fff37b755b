"""Validation: what the recipe's loss is on held-out pictures, and what the coder really writes for them."""

from typing import Any

import lightning
import torch
import torch.distributed as dist
from nic_nn.training.batch import Batch
from nic_nn.training.recipe import bits_per_pixel
from torch import Tensor
from torch.utils.data import DataLoader

from nic_train.loop import Loop
from nic_train.progress import log, log_picture

CODED_PICTURES = 4
SHOWN_PICTURES, SHOWN_SIDE = 2, 256


class Validate(lightning.Callback):
    """Measures every `steps` steps and logs "val_" values and pictures; every `coded`-th time also truly coded bits.

    loader: batches of held-out pictures, this process's share. Nothing here changes what training computes.
    """

    def __init__(self, loader: DataLoader, steps: int, coded: int = 5) -> None:
        self._loader, self._steps, self._coded = loader, steps, coded

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Measure where the number of steps is a multiple, and after the last one."""
        if loop.step % self._steps and loop.step != loop.steps:
            return
        with loop.something_aside():
            values = measure(loop, self._loader)
            if (loop.step // self._steps) % self._coded == 0 or loop.step == loop.steps:
                values |= coded(loop, self._loader)
            if trainer.is_global_zero:
                log(trainer, loop.step, {f"val_{name}": value for name, value in values.items()})
                log_picture(trainer, loop.step, "original and reconstruction", side_by_side(loop, self._loader))


@torch.no_grad()
def measure(loop: Loop, loader: DataLoader) -> dict[str, float]:
    """Return the recipe's values, means over all pictures of all processes, with rounding instead of noise."""
    networks = loop.validated
    recipe = loop.recipe.at(loop.stage_at(max(loop.step - 1, 0))[0])
    sums: dict[str, Tensor] = {}
    count = 0
    _eval(loop, True)
    with loop.trainer.precision_plugin.forward_context():
        for batch in loader:
            values = recipe.loss(networks, batch.to(loop.device).as_float())
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value.detach().double() * len(batch)
            count += len(batch)
    _eval(loop, False)
    total = torch.stack([*sums.values(), torch.tensor(float(count), dtype=torch.double, device=loop.device)])
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return {name: float(value / total[-1]) for name, value in zip(sums, total, strict=False)}


@torch.no_grad()
def coded(loop: Loop, loader: DataLoader) -> dict[str, float]:
    """Return mean bits per pixel of this process's first pictures: estimated, and as the entropy coder writes them."""
    model = loop.validated.model
    _eval(loop, True)
    estimated, written, pictures = 0.0, 0.0, 0
    with model.in_floats():  # integers of weights that go on changing would be made each time
        for batch in loader:
            x = _first(batch, CODED_PICTURES - pictures).to(loop.device).as_float().pixels
            estimated += float(bits_per_pixel(model(x), x).sum())
            written += sum(8 * len(stream) for stream in model.compress(x).streams) / (x.shape[2] * x.shape[3])
            pictures += len(x)
            if pictures >= CODED_PICTURES:
                break
    _eval(loop, False)
    return {"estimated_bpp": estimated / pictures, "coded_bpp": written / pictures}


@torch.no_grad()
def side_by_side(loop: Loop, loader: DataLoader) -> Tensor:
    """Return the middles of the first pictures, each with its reconstruction on the right: (3, H, W) in [0, 1]."""
    batch = _first(next(iter(loader)), SHOWN_PICTURES).to(loop.device).as_float()
    top, left = ((side - SHOWN_SIDE) // 2 if side > SHOWN_SIDE else 0 for side in batch.pixels.shape[2:])
    x = batch.pixels[:, :, top : top + SHOWN_SIDE, left : left + SHOWN_SIDE]
    _eval(loop, True)
    with loop.trainer.precision_plugin.forward_context():
        x_hat = loop.validated.model(x)["x_hat"].float().clamp(0, 1).expand_as(x)
    _eval(loop, False)
    return torch.cat(list(torch.cat([x, x_hat], 3)), 1).cpu()


def _first(batch: Batch, count: int) -> Batch:
    return batch[: min(len(batch), count)]


def _eval(loop: Loop, on: bool) -> None:
    for module in {id(part): part for part in (*loop.networks.parts().values(), loop.validated.model)}.values():
        module.train(not on)
