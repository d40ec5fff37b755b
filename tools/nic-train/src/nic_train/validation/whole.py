"""Held-out pictures coded as a whole: what files of them take, and what comes out of these."""

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
import torch.nn.functional as F
from nic_nn.training.batch import Batch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nic_train.data.crops import Sample, collate
from nic_train.data.sampling import PictureSet, sample_key
from nic_train.loop import Loop
from nic_train.validation.measures import Weighted, evaluating, means


class Whole(Dataset):
    """Each picture uncropped, with its first caption; a broken one is replaced by the next."""

    def __init__(self, pictures: PictureSet) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def __getitem__(self, number: int) -> Sample:
        """Return a picture's sample, without labels."""
        index, item = self._pictures.first_sound((number + step) % len(self) for step in range(len(self)))
        text = item.texts[0] if item.texts else None
        name = self._pictures.pictures.names[index]
        return Sample(sample_key("validation", number), name, item.pixels, text, None, None)


def whole_loader(pictures: PictureSet, rank: int = 0, world: int = 1) -> DataLoader:
    """Return a loader of the pictures one by one, of which this rank takes every `world`-th."""
    return DataLoader(Whole(pictures), 1, sampler=range(rank, len(pictures), world), collate_fn=collate)


@torch.no_grad()
def coded_whole(loop: Loop, batches: Iterable[Batch]) -> dict[str, float]:
    """Return means over all pictures of all processes: "coded_bpp", and "coded_" and each name of `Recipe.fidelity`.

    The pictures' edges are repeated up to a multiple of the model's stride, as codecs do, and cut off again.
    """
    networks, recipe = loop.validated, loop.recipe
    found: list[Weighted] = []
    with evaluating(loop), networks.model.in_floats():  # integers of weights that change would be made each time
        for batch in batches:
            batch = batch.to(loop.device).as_float()
            x = batch.pixels
            compressed = recipe.compress(networks, replace(batch, pixels=padded(x, networks.model.stride)))
            x_hat = networks.model.decompress(compressed)["x_hat"].float()[..., : x.shape[2], : x.shape[3]].expand_as(x)
            bits = 8 * sum(len(stream) for stream in compressed.streams)
            values = {"bpp": bits / math.prod(x.shape[2:]), **recipe.fidelity(x_hat, x)}
            found.append((1, {f"coded_{name}": value for name, value in values.items()}))
    return means(found)


def padded(x: Tensor, stride: int) -> Tensor:
    """Return pictures whose right and lower edges are repeated up to sides that are multiples of a stride."""
    down, right = (-side % stride for side in x.shape[2:])
    return F.pad(x, (0, right, 0, down), mode="replicate")
