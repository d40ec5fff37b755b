"""A run: everything about one training, from its first step to its exported weights.

run.json              codec, recipe, values, data; what resuming and exporting read
checkpoints/last.ckpt written every 1000 steps and when the run stops
checkpoints/best.ckpt the best by a value of the validation, which best.json describes
metrics/              CSV and TensorBoard, a version for each time that the run was started or resumed
weights.safetensors   what `nic encode --weights` takes; best.safetensors of the best checkpoint
"""

import math
import signal
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import check_writable, make_folder
from nic_core.memory import ALL, keep_freed_memory
from nic_nn.memory import explained
from nic_nn.training.augmentation import Augmentation
from nic_nn.training.contract import Recipe
from torch.utils.data import DataLoader

from nic_train import checkpoints
from nic_train.data import loader
from nic_train.data.pictures import Extent, height_and_width
from nic_train.data.sampling import PictureSet
from nic_train.data.shards.sets import ShardSet
from nic_train.folder import new_folder
from nic_train.loop import Diverged, Loop
from nic_train.machine import Machine, chosen_precision, compile_networks, make_trainer, products_in_tf32
from nic_train.open_values import with_classes, with_steps
from nic_train.progress import ShowProgress, make_loggers, say
from nic_train.recipes import crop_of
from nic_train.request import Record, Request, check_same, read_record
from nic_train.start.begin import Begin, records_of
from nic_train.start.branch import difference
from nic_train.start.sources import Source, fill_networks, read_source
from nic_train.start.symbols import keep_start, with_sizes_of_start
from nic_train.validation.best import Best, forget, read_best
from nic_train.validation.callback import NONE, Validate
from nic_train.validation.whole import whole_loader

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What stops a run after its step, with a checkpoint. SLURM can send the last one before a time limit."""

SMALLEST_VALIDATION = 64
"""Held-out pictures must have these pixels on the short side, and are cropped to a multiple: the models' stride."""

ADVICE = (
    "for this run: --accumulate N computes a batch in N pieces, --set batch=N takes smaller batches, "
    "--cache 0 keeps no decoded pictures"
)
"""What helps where there is too little memory."""

Outcome = Literal["finished", "stopped", "interrupted"]
Held = tuple[DataLoader, PictureSet]
"""Batches of crops of held-out pictures, and the pictures."""


class StopOnSignal(lightning.Callback):
    """Ends the run after the current step on a signal; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.received: int | None = None

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        """Take the signals over from Lightning, which gives them back when training ends."""

        def stop(number: int, frame: Any) -> None:
            self.received, loop.stopping = number, True
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if trainer.is_global_zero:
                say("\nstopping after this step; Ctrl-C again stops without a checkpoint")

        for number in SIGNALS:
            signal.signal(number, stop)


def train(request: Request, out: Path, machine: Machine, begin: Begin = Begin()) -> Outcome | None:  # noqa: B008, frozen
    """Train into the folder `out`; NicError where the run cannot start or go on.

    Runs alike in every process of a distributed training; only the first one writes, the others return None.
    """
    precision, slow = chosen_precision(request.precision, machine.kind)
    request = with_sizes_of_start(replace(request, precision=precision), begin)
    if machine.kind == "cpu":
        keep_freed_memory(ALL)
    recipe = request.recipe()
    _check_held_out(request)
    before = begin.checkpoint(out)
    state = checkpoints.read(before) if before else None
    sources = [read_source(path, recipe, begin.which) for path in begin.initial]
    trainer = make_trainer(machine, precision, make_loggers(out, machine.wandb))
    if recipe.batch % (trainer.world_size * request.accumulate):
        raise BadOption(
            f"batch {recipe.batch} cannot be split over {trainer.world_size} processes x {request.accumulate} "
            "accumulated pieces"
        )
    if begin.resume and trainer.is_global_zero:
        check_writable(checkpoints.path_of(out))
    is_new = trainer.is_global_zero and not begin.resume
    with new_folder(out) if is_new else nullcontext(), explained(ADVICE), products_in_tf32(request.tf32):
        smallest = 1 if Augmentation.of(recipe).pad else crop_of(recipe)
        source = _open(request, request.data, smallest, trainer, request.files)
        request = with_steps(with_classes(request, source.classes), source)
        initial = begin.record(out, sources, state)
        if begin.resume:
            check_same(out, read_record(out), source.record(), records_of(sources) if sources else None)
        held_out = open_validation(request, recipe, trainer) if request.val else None
        loop = _make_loop(request, machine, state, sources, quiet=not trainer.is_global_zero)
        start = state["step"] if state else 0
        if start >= loop.steps:
            if begin.run is not None:
                raise NicError(f"{begin.run} has made {start} steps, and this run's are {loop.steps}; more: --steps")
            say(f"the run has done all of its {loop.steps} steps; more: --steps")
            return "finished" if trainer.is_global_zero else None
        batches = _make_batches(request, source, start, loop.steps, trainer)
        if trainer.is_global_zero:
            if begin.run is not None and (remark := difference(begin.run, request, start)):
                say(remark)
            make_folder(out / "checkpoints")
            if not begin.resume:
                forget(out)
                keep_start(out, begin, recipe)
            Record(request, source.record(), initial).write(out)
            if slow:
                say(slow)
            if alone := loader.measure(batches):
                say(f"loader alone: {alone:.0f} pictures/s in each of {trainer.world_size} process(es)")
        best = read_best(out) if begin.resume else None
        validations = [] if held_out is None else [_validate(request, recipe, trainer, out, held_out, best)]
        return _fit(request, out, trainer, loop, batches, validations, before)


def _check_held_out(request: Request) -> None:
    """Raise BadOption where what is asked for takes held-out pictures and there are none."""
    if request.val:
        return
    if request.best not in ("", NONE):
        raise BadOption("--best chooses by held-out pictures: give them with --val DIR")
    recipe = request.recipe()
    if any(getattr(recipe.at(stage), "schedule", "") == "plateau" for stage in request.stages()):
        raise BadOption("schedule=plateau follows the loss on held-out pictures: give them with --val DIR")


def _make_loop(
    request: Request, machine: Machine, state: dict[str, Any] | None, sources: list[Source], quiet: bool
) -> Loop:
    """Return the loop with fresh networks, or what the sources give; those of a checkpoint come later."""
    # Far outliers have likelihoods around 1e-40, on which CPUs compute ten times slower than on zero.
    torch.set_flush_denormal(True)
    lightning.seed_everything(request.seed, verbose=False)
    recipe = request.recipe()
    loop = Loop(recipe, request.stages(), request.seed, request.accumulate, machine.minutes)
    stride = loop.networks.model.stride
    if wrong := [side for side in height_and_width(crop_of(recipe)) if side % stride]:
        raise BadOption(f"crop must be a multiple of {stride}, by which the model divides the sides, not {wrong[0]}")
    loop.networks.model.to(memory_format=torch.channels_last)
    if state:
        checkpoints.check_fits(loop, state["state_dict"])
    elif sources:
        for source in sources:
            taken, moments = fill_networks(loop.networks, source)
            loop.moments |= moments
            if not quiet:
                say(f"starting from {source.name}: its {' and '.join(taken)}{' with optimizers' if moments else ''}")
        loop.start_average()
    if request.compile:
        compile_networks(loop.networks)
        loop.compiled = True
    return loop


def _make_batches(
    request: Request, source: loader.Source, start: int, steps: int, trainer: lightning.Trainer
) -> DataLoader:
    """Return a loader of this process's share of the batches."""
    recipe, here = request.recipe(), trainer.num_devices
    workers = loader.default_workers(source.cached, here) if request.workers is None else request.workers
    settings = loader.LoaderSettings(
        recipe.batch,
        crop_of(recipe),
        request.seed,
        workers,
        trainer.global_rank,
        trainer.world_size,
        Augmentation.of(recipe),
    )
    return loader.make_loader(source, settings, start, steps)


def _validate(
    request: Request, recipe: Recipe, trainer: lightning.Trainer, out: Path, held_out: Held, best: Best | None
) -> Validate:
    """Return what validates: on crops, and on whole pictures where the recipe asks for it. best: what was so far."""
    crops, pictures = held_out
    whole = whole_loader(pictures, trainer.global_rank, trainer.world_size) if recipe.val_whole else None
    return Validate(crops, whole, request.val_steps, out, request.best, best)


def _fit(
    request: Request,
    out: Path,
    trainer: lightning.Trainer,
    loop: Loop,
    batches: DataLoader,
    validations: list[Validate],
    before: Path | None,
) -> Outcome | None:
    """Train, from a checkpoint where there is one before, with a checkpoint at the end of it."""
    last = checkpoints.path_of(out)
    stop = StopOnSignal()
    showing = ShowProgress(request.log_every, facts_of(request))
    saving = checkpoints.SaveEvery(out, request.checkpoint_steps, request.keep_steps)
    trainer.callbacks = [stop, showing, *validations, saving]  # type: ignore[attr-defined]
    try:
        trainer.fit(loop, batches, ckpt_path=before, weights_only=True)
    except Diverged as error:
        good = f"the last good checkpoint is {last}" if last.exists() else "there is no checkpoint yet"
        raise Diverged(f"{error}; {good}") from error
    except SystemExit:  # Lightning's, after a second Ctrl-C
        if stop.received is None:
            raise
        return "interrupted" if trainer.is_global_zero else None
    trainer.save_checkpoint(last)
    if not trainer.is_global_zero:
        return None
    if loop.step >= loop.steps:
        return "finished"
    return "interrupted" if stop.received else "stopped"


def facts_of(request: Request) -> dict[str, Any]:
    """Return what tells a run from others: the recipe, its values, and how it is trained."""
    return {
        **asdict(request.recipe()),  # type: ignore[call-overload]
        "recipe": request.choice.name,
        "data": Path(request.data).name,
        "precision": request.precision,
        **({"compile": True} if request.compile else {}),
        **({} if request.tf32 is None else {"tf32": request.tf32}),
        "seed": request.seed,
    }


def open_validation(request: Request, recipe: Recipe, trainer: lightning.Trainer) -> Held:
    """Return this process's share of the held-out pictures, and the pictures.

    The share is of centre crops as large as the smallest picture allows.
    """
    assert request.val is not None
    source = _open(request, request.val, SMALLEST_VALIDATION, trainer)
    if isinstance(source, ShardSet):
        raise NicError("held-out pictures must be in a folder, not in shards")
    shortest = min(min(size) for size in source.pictures.sizes)
    crop = min(recipe.val_crop, shortest // SMALLEST_VALIDATION * SMALLEST_VALIDATION)
    batch = max(
        1, recipe.batch * math.prod(height_and_width(crop_of(recipe))) // crop**2
    )  # no more pixels than in training
    return loader.validation_loader(source, crop, batch, 0, trainer.global_rank, trainer.world_size), source


def _open(
    request: Request, data: str, smallest: Extent, trainer: lightning.Trainer, files: str | None = None
) -> loader.Source:
    """Return the pictures or shards of `data`, or those that `files` lists, with what the recipe needs."""
    return loader.open_source(
        data,
        smallest,
        request.captions,
        request.labels,
        request.needs(),
        getattr(request.recipe(), "classes", 0),
        files=files,
        cache_gb=request.cache,
        quiet=not trainer.is_global_zero,
    )
