"""A run: everything about one training, from its first step to its exported weights.

run.json              codec, recipe, values, data; what resuming and exporting read
checkpoints/last.ckpt written every 1000 steps and when the run stops
metrics/              CSV and TensorBoard, a version for each time that the run was started or resumed
weights.safetensors   what `nic encode --weights` takes
"""

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
from nic_nn.training.recipe import Recipe
from nic_nn.weights.loading import load_model
from torch.utils.data import DataLoader

from nic_train import checkpoints
from nic_train.data import loader
from nic_train.data.loader import Source
from nic_train.data.shards.sets import ShardSet
from nic_train.folder import new_folder
from nic_train.loop import Diverged, Loop
from nic_train.machine import Machine, chosen_precision, make_trainer
from nic_train.progress import ShowProgress, make_loggers, say
from nic_train.request import Record, Request, check_same, initial_weights, read_record
from nic_train.validation import Validate

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


def train(
    request: Request, out: Path, machine: Machine, *, resume: bool, initial: Path | None = None
) -> Outcome | None:
    """Train into the folder `out`; NicError where the run cannot start or go on.

    Runs alike in every process of a distributed training; only the first one writes, the others return None.
    """
    precision, remark = chosen_precision(request.precision, machine.kind)
    request = replace(request, precision=precision)
    if machine.kind == "cpu":
        keep_freed_memory(ALL)
    recipe = request.recipe()
    begun = read_record(out).initial if resume else initial_weights(initial)
    last = checkpoints.path_of(out)
    state = checkpoints.read(last) if resume else None
    trainer = make_trainer(machine, precision, make_loggers(out, machine.wandb))
    if recipe.batch % (trainer.world_size * request.accumulate):
        raise BadOption(
            f"batch {recipe.batch} cannot be split over {trainer.world_size} processes x {request.accumulate} "
            "accumulated pieces"
        )
    if resume and trainer.is_global_zero:
        check_writable(last)
    with new_folder(out) if trainer.is_global_zero and not resume else nullcontext(), explained(ADVICE):
        smallest = 1 if Augmentation.of(recipe).pad else recipe.crop
        source = _open(request, request.data, smallest, trainer, request.files)
        request = with_classes(request, source.classes)
        if resume:
            check_same(out, read_record(out), source.record(), initial)
        held_out = open_validation(request, recipe, trainer) if request.val else None
        loop = _make_loop(request, machine, state, initial)
        start = state["step"] if state else 0
        if start >= loop.steps:
            say(f"the run has done all of its {loop.steps} steps; more: --steps")
            return "finished" if trainer.is_global_zero else None
        batches = _make_batches(request, source, start, loop.steps, trainer)
        if trainer.is_global_zero:
            make_folder(out / "checkpoints")
            Record(request, source.record(), begun).write(out)
            if remark:
                say(remark)
            if alone := loader.measure(batches):
                say(f"loader alone: {alone:.0f} pictures/s in each of {trainer.world_size} process(es)")
        return _fit(request, out, trainer, loop, batches, held_out, resume)


def _make_loop(request: Request, machine: Machine, state: dict[str, Any] | None, initial: Path | None) -> Loop:
    """Return the loop with fresh networks, or with those of a weights file; those of a checkpoint come later."""
    # Far outliers have likelihoods around 1e-40, on which CPUs compute ten times slower than on zero.
    torch.set_flush_denormal(True)
    lightning.seed_everything(request.seed, verbose=False)
    recipe = request.recipe()
    loop = Loop(recipe, request.stages(), request.seed, request.accumulate, machine.minutes)
    stride = loop.networks.model.stride
    if recipe.crop % stride:
        raise BadOption(f"crop must be a multiple of {stride}, by which the model divides the sides, not {recipe.crop}")
    loop.networks.model.to(memory_format=torch.channels_last)
    if state:
        checkpoints.check_fits(loop, state["state_dict"])
    elif initial is not None:
        model = load_model(loop.networks.model, initial)
        model.tables = model.integers = None  # of weights that go on changing
        model.train()
        checkpoints.check_finite(loop.networks.model.state_dict(), initial)
        loop.start_average()
    return loop


def _make_batches(request: Request, source: Source, start: int, steps: int, trainer: lightning.Trainer) -> DataLoader:
    """Return a loader of this process's share of the batches."""
    recipe, here = request.recipe(), trainer.num_devices
    workers = loader.default_workers(source.cached, here) if request.workers is None else request.workers
    settings = loader.LoaderSettings(
        recipe.batch,
        recipe.crop,
        request.seed,
        workers,
        trainer.global_rank,
        trainer.world_size,
        Augmentation.of(recipe),
    )
    return loader.make_loader(source, settings, start, steps)


def _fit(
    request: Request,
    out: Path,
    trainer: lightning.Trainer,
    loop: Loop,
    batches: DataLoader,
    held_out: DataLoader | None,
    resume: bool,
) -> Outcome | None:
    """Train, with a checkpoint at the end of it."""
    last = checkpoints.path_of(out)
    stop = StopOnSignal()
    showing = ShowProgress(request.log_every, facts_of(request))
    validations = [] if held_out is None else [Validate(held_out, request.val_steps)]
    saving = checkpoints.SaveEvery(out, request.checkpoint_steps, request.keep_steps)
    trainer.callbacks = [stop, showing, *validations, saving]  # type: ignore[attr-defined]
    try:
        trainer.fit(loop, batches, ckpt_path=last if resume else None, weights_only=True)
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
        "seed": request.seed,
    }


def with_classes(request: Request, found: int) -> Request:
    """Return the request with the classes of the label maps, where its recipe has classes and leaves them open.

    found: how many there are, void included. run.json then holds them: resuming and exporting build the same networks.
    NicError where they are needed and not known.
    """
    if "labels" not in request.needs() or getattr(request.recipe(), "classes", None) != 0:
        return request
    if not found:
        raise NicError(
            "shards do not say how many classes their label maps have: say it, with void, by --set classes=N"
        )
    return request.changed({"classes": found})


def open_validation(request: Request, recipe: Recipe, trainer: lightning.Trainer) -> DataLoader:
    """Return this process's share of the held-out pictures: centre crops as large as the smallest picture allows."""
    assert request.val is not None
    source = _open(request, request.val, SMALLEST_VALIDATION, trainer)
    if isinstance(source, ShardSet):
        raise NicError("held-out pictures must be in a folder, not in shards")
    shortest = min(min(size) for size in source.pictures.sizes)
    crop = min(recipe.val_crop, shortest // SMALLEST_VALIDATION * SMALLEST_VALIDATION)
    batch = max(1, recipe.batch * recipe.crop**2 // crop**2)  # no more pixels than in training
    return loader.validation_loader(source, crop, batch, 0, trainer.global_rank, trainer.world_size)


def _open(request: Request, data: str, smallest: int, trainer: lightning.Trainer, files: str | None = None) -> Source:
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
