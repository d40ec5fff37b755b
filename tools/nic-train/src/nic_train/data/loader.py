"""From `--data` to batches: opening pictures or shards, loading them in processes of their own, measuring the speed."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nic_core.cores import cores
from nic_core.errors import NicError
from nic_nn.training.augmentation import Augmentation
from torch.utils.data import DataLoader

from nic_train.data.annotations import Captions, load_captions, paired_captions, with_annotations
from nic_train.data.crops import PLAIN, collate
from nic_train.data.labels.loading import load_labels
from nic_train.data.pictures import Extent, scan
from nic_train.data.sampling import CentreCrops, Crops, PictureSet, StepSampler
from nic_train.data.shards.files import shard_urls
from nic_train.data.shards.sets import ShardSet, scan_shards
from nic_train.data.shards.streams import ShardBatches, stream_count, worker_count

Source = PictureSet | ShardSet
"""What training draws from. Both have `record()`, `cached` and `classes`."""

_MOST_WORKERS = 8
_FEW_CORES = 4


@dataclass(frozen=True)
class LoaderSettings:
    """How samples are drawn and loaded.

    batch: pictures in an optimizer step over all processes, a multiple of `world`.
    crop: their side in pixels, or height and width.
    seed: what all random numbers follow from; where the batch changes in a run, another seed makes the draws others.
    workers: processes that load, 0 for none. rank, world: this process among how many that train.
    augmentation: how pictures become crops.
    """

    batch: int
    crop: Extent
    seed: int
    workers: int = 0
    rank: int = 0
    world: int = 1
    augmentation: Augmentation = PLAIN


def open_source(
    data: str,
    smallest: Extent,
    captions: str | None = None,
    labels: str | None = None,
    needs: frozenset[str] = frozenset(),
    classes: int = 0,
    *,
    files: str | None = None,
    cache_gb: float = 2.0,
    quiet: bool = False,
) -> Source:
    """Return the pictures of a folder tree, or shards (see `nic_train.data.shards.files.shard_urls`).

    smallest: a side, or the height and width, that a picture must have. needs: "text" and "labels", what every sample
    must carry. In shards they lie beside the picture; for a folder `captions` is a JSON file, or two JSON lists of
    names and texts with a comma between, and `labels` a folder of PNG files or one or several JSON files, with commas
    between (see `nic_train.data.labels.loading`). classes: how many the label maps must have, void included; 0 for as
    many as there are, which tar shards do not tell. files: a list of the pictures of a folder to take, None for all.
    cache_gb: decoded pictures of a folder are kept in memory if they take no more than this, in 1e9 bytes for each
    process that trains. quiet: no warnings and progress bars, for all but the first of several processes.

    NicError where nothing is left to draw from.
    """
    urls = shard_urls(data)
    if urls:
        if files is not None:
            raise NicError("--files chooses pictures of a folder; shards are taken as they are")
        return scan_shards(urls, smallest, needs, classes, quiet=quiet)
    texts = maps = label_folder = None
    if "text" in needs:
        if not captions:
            raise NicError("the recipe needs captions: give a JSON file of them with --captions")
        texts = _captions(captions, quiet)
    if "labels" in needs:
        if not labels:
            raise NicError("the recipe needs label maps: give a folder or JSON file of them with --labels")
        paths = [Path(path) for path in labels.split(",")]
        maps = load_labels(paths, classes, quiet)
        label_folder = paths[0] if os.path.isdir(paths[0]) else None
    listed = None if files is None else Path(files)
    pictures = scan(Path(data), smallest, without=label_folder, files=listed, quiet=quiet)
    if texts is not None or maps is not None:
        pictures = with_annotations(pictures, texts, maps, quiet)
    source = PictureSet(pictures, texts, maps)
    return source.in_memory(quiet) if source.decoded_bytes() <= cache_gb * 1e9 else source


def make_loader(source: Source, settings: LoaderSettings, start_step: int, steps: int) -> DataLoader:
    """Return a loader of this rank's batches (`nic_nn.training.batch.Batch`), of step `start_step` to before `steps`.

    Of a folder the batches depend on the seed alone; of shards also on the number of ranks.
    NicError where there are fewer shards than ranks.
    """
    if isinstance(source, PictureSet):
        crops = Crops(source, settings.crop, settings.seed, settings.augmentation)
        sampler = StepSampler(settings.batch, start_step, steps, settings.rank, settings.world)
        return DataLoader(crops, batch_sampler=sampler, collate_fn=collate, **_loading(settings.workers))
    workers = worker_count(settings.workers, stream_count(len(source.urls), settings.world))
    batches = ShardBatches(
        source,
        settings.crop,
        settings.batch,
        settings.seed,
        start_step,
        steps,
        settings.rank,
        settings.world,
        settings.augmentation,
    )
    return DataLoader(batches, batch_size=None, **_loading(workers))


def validation_loader(
    source: Source, crop: int, batch: int, workers: int = 0, rank: int = 0, world: int = 1
) -> DataLoader:
    """Return a loader of one centre crop of each picture, of which this rank takes every `world`-th.

    batch: pictures in a batch of this rank; the last one may be smaller. NicError for shards.
    """
    if isinstance(source, ShardSet):
        raise NicError("held-out pictures must be in a folder, not in shards")
    mine = range(rank, len(source), world)
    return DataLoader(CentreCrops(source, crop), batch, sampler=mine, collate_fn=collate, **_loading(workers))


def measure(loader: DataLoader, seconds: float = 2.0) -> float:
    """Return how many pictures per second the loader brings while nothing else is done; 0 where it is too short."""
    batches = iter(loader)
    for _ in range(max(loader.num_workers, 1)):  # starting up, and what the workers prepare meanwhile
        next(batches, None)
    start, taken, pictures = time.perf_counter(), 0.0, 0
    for batch in batches:
        pictures += len(batch)
        taken = time.perf_counter() - start
        if taken > seconds:
            break
    return pictures / taken if pictures else 0.0


def default_workers(cached: bool, processes: int = 1) -> int:
    """Return how many processes should load for each of `processes` that train on this machine.

    Pictures in memory are cropped faster than workers hand them over, unless there are cores to spare.
    """
    share = max(cores() // processes, 1)
    return 0 if cached and share <= _FEW_CORES else min(_MOST_WORKERS, share)


def _captions(captions: str, quiet: bool) -> Captions:
    """Return the captions of one file, or of two lists with a comma between."""
    match [Path(path) for path in captions.split(",")]:
        case [path]:
            return load_captions(path, quiet)
        case [names, texts]:
            return paired_captions(names, texts, quiet)
    raise NicError(f"captions are a JSON file, or two lists as NAMES.json,TEXTS.json, not {captions}")


def _loading(workers: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": _leave_interrupts,
        # A generator of its own: without one, DataLoader draws from the random numbers that training goes on with.
        "generator": torch.Generator(),
    }


def _leave_interrupts(worker: int) -> None:
    """Let Ctrl-C end training, which stops its workers; a worker that dies of it first would be an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
