"""What the recipe's loss is on held-out pictures, and what the coder really writes for some of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from nic_nn.training.batch import Batch
from nic_nn.training.recipe import bits_per_pixel
from torch import Tensor
from torch.utils.data import DataLoader

from nic_train.loop import Loop

CODED_PICTURES = 4
SHOWN_PICTURES, SHOWN_SIDE = 2, 256

Weighted = tuple[int, dict[str, float]]
"""Values, and of how many pictures they are the means."""


@torch.no_grad()
def measure(loop: Loop, batches: Iterable[Batch]) -> dict[str, float]:
    """Return the recipe's values, means over all pictures of all processes, with rounding instead of noise.

    Where nothing but the adversary learns they are those of its loss.
    """
    networks = loop.validated
    stage = loop.stage_at(max(loop.step - 1, 0))[0]
    recipe = loop.recipe.at(stage)
    loss = recipe.adversary_loss if all(name.startswith("adversary") for name in stage.trainable) else recipe.loss
    found: list[Weighted] = []
    with evaluating(loop), loop.trainer.precision_plugin.forward_context():
        for batch in batches:
            values = loss(networks, batch.to(loop.device).as_float())
            found.append((len(batch), {name: float(value) for name, value in values.items()}))
    return means(found)


@torch.no_grad()
def coded(loop: Loop, loader: DataLoader) -> dict[str, float]:
    """Return mean bits per pixel of each process's first pictures: estimated, and as the entropy coder writes them."""
    networks, recipe = loop.validated, loop.recipe
    found: list[Weighted] = []
    with evaluating(loop), networks.model.in_floats():  # integers of weights that change would be made each time
        for batch in loader:
            batch = batch[: CODED_PICTURES - len(found)].to(loop.device).as_float()
            estimated = bits_per_pixel(recipe.forward(networks, batch), batch.pixels).tolist()
            written = (len(stream) for stream in recipe.compress(networks, batch).streams)
            size = batch.pixels.shape[2] * batch.pixels.shape[3]
            found += [
                (1, {"estimated_bpp": estimate, "coded_bpp": 8 * length / size})
                for estimate, length in zip(estimated, written, strict=True)
            ]
            if len(found) >= CODED_PICTURES:
                break
    return means(found)


def means(found: list[Weighted]) -> dict[str, float]:
    """Return the mean of each value over the pictures of all processes that have it, the same in each process."""
    if dist.is_available() and dist.is_initialized():
        shares: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(shares, found)
        found = [one for share in shares for one in share]
    sums: dict[str, tuple[int, float]] = {}
    for count, values in found:
        for name, value in values.items():
            before = sums.get(name, (0, 0.0))
            sums[name] = before[0] + count, before[1] + count * value
    return {name: total / count for name, (count, total) in sums.items()}


@torch.no_grad()
def side_by_side(loop: Loop, loader: DataLoader) -> Tensor:
    """Return the middles of the first pictures, each with its reconstruction on the right: (3, H, W) in [0, 1]."""
    batch = next(iter(loader))[:SHOWN_PICTURES].to(loop.device).as_float()
    top, left = ((side - SHOWN_SIDE) // 2 if side > SHOWN_SIDE else 0 for side in batch.pixels.shape[2:])
    shown = (slice(None), slice(None), slice(top, top + SHOWN_SIDE), slice(left, left + SHOWN_SIDE))
    with evaluating(loop), loop.trainer.precision_plugin.forward_context():
        x_hat = loop.recipe.forward(loop.validated, batch)["x_hat"].float().clamp(0, 1).expand_as(batch.pixels)
    return torch.cat(list(torch.cat([batch.pixels[shown], x_hat[shown]], 3)), 1).cpu()


@contextmanager
def evaluating(loop: Loop) -> Iterator[None]:
    """Have the networks evaluate for the length of a block."""
    modules = {id(part): part for part in (*loop.networks.parts().values(), loop.validated.model)}.values()
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module in modules:
            module.train()
