"""A run: a folder that holds everything about one training, from its first step to its exported weights.

run.json              codec, recipe, values, data; what resuming and exporting read
checkpoints/last.ckpt written every 1000 steps and when the run stops
metrics/              CSV and TensorBoard, a version for each time that the run was started or resumed
weights.safetensors   what `nic encode --weights` takes
"""

import logging
import os
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import make_folder
from nic_nn.export import load_model
from nic_nn.recipe import Recipe
from torch.utils.data import DataLoader

from nic_train import checkpoints
from nic_train.data import loader
from nic_train.data.shards import ShardSet
from nic_train.loop import Diverged, Loop
from nic_train.progress import ShowProgress
from nic_train.request import Record, Request, check_same, initial_weights, read_record
from nic_train.validation import Validate

PRECISIONS: dict[str, Any] = {"bf16": "bf16-mixed", "fp32": "32-true"}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What stops a run after its step, with a checkpoint. SLURM can send the last one before a time limit."""

SMALLEST_VALIDATION = 64
"""Held-out pictures must have these pixels on the short side, and are cropped to a multiple: the models' stride."""

Outcome = Literal["finished", "stopped", "interrupted"]


@dataclass(frozen=True)
class Machine:
    """Where a run computes; none of it decides the result beyond the order of float sums.

    device: "auto", "cpu", "cuda" or "mps". devices: processes on each machine, 0 for all it has (one on CPU);
    nodes: machines. minutes: stop after this long, 0 for never. wandb: Weights & Biases project, empty for none.
    """

    device: str = "auto"
    devices: int = 0
    nodes: int = 1
    minutes: float = 0
    wandb: str = ""


class StopOnSignal(lightning.Callback):
    """Ends the run after the current step on a signal; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.received: int | None = None

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        """Take the signals over from Lightning, which gives them back when training ends."""

        def stop(number: int, frame: Any) -> None:
            self.received, loop.stopping = number, True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        for number in SIGNALS:
            signal.signal(number, stop)


def train(
    request: Request, out: Path, machine: Machine, *, resume: bool, initial: Path | None = None
) -> Outcome | None:
    """Train into the folder `out`; NicError where the run cannot start or go on.

    Runs alike in every process of a distributed training; only the first one writes, the others return None.
    """
    last = checkpoints.path_of(out)
    if not resume and last.exists():
        raise NicError(f"{out} already holds a run; go on with --resume {out}, or choose another --out")
    recipe = request.recipe()
    state = checkpoints.read(last) if resume else None
    start = state["step"] if state else 0
    trainer = make_trainer(request, machine, out)
    world, rank = trainer.world_size, trainer.global_rank
    if recipe.batch % (world * request.accumulate):
        raise BadOption(
            f"batch {recipe.batch} cannot be split over {world} processes x {request.accumulate} accumulated pieces"
        )

    quiet = not trainer.is_global_zero
    source = loader.open_source(
        request.data,
        recipe.crop,
        request.captions,
        request.labels,
        request.needs(),
        getattr(recipe, "classes", 0),
        cache_gb=request.cache,
        quiet=quiet,
    )
    request = with_classes(request, source.classes)
    recipe, stages = request.recipe(), request.stages()
    if resume:
        check_same(out, read_record(out), source.record(), initial)
    held_out = open_validation(request, recipe, trainer) if request.val else None
    # Far outliers have likelihoods around 1e-40, on which CPUs compute ten times slower than on zero.
    torch.set_flush_denormal(True)
    lightning.seed_everything(request.seed, verbose=False)
    loop = Loop(recipe, stages, request.seed, request.accumulate, machine.minutes)
    stride = loop.networks.model.stride
    if recipe.crop % stride:
        raise BadOption(f"crop must be a multiple of {stride}, by which the model divides the sides, not {recipe.crop}")
    loop.networks.model.to(memory_format=torch.channels_last)
    if state:
        checkpoints.check_fits(loop, state["state_dict"])
    elif initial is not None:
        load_model(loop.networks.model, initial).train()
        loop.start_average()
    here = trainer.num_devices
    workers = loader.default_workers(source.cached, here) if request.workers is None else request.workers
    scale = getattr(recipe, "scale", (1.0, 1.0))
    settings = loader.LoaderSettings(recipe.batch, recipe.crop, request.seed, workers, rank, world, scale)
    batches = loader.make_loader(source, settings, start, loop.steps)
    if trainer.is_global_zero:
        begun = read_record(out).initial if resume else initial_weights(initial)
        make_folder(out / "checkpoints")
        Record(request, source.record(), begun).write(out)
        alone = loader.measure(batches)
        click.echo(f"loader alone: {alone:.0f} pictures/s in each of {world} process(es)", err=True)

    stop = StopOnSignal()
    validations = [] if held_out is None else [Validate(held_out, request.val_steps)]
    saving = checkpoints.SaveEvery(out, request.checkpoint_steps, request.keep_steps)
    trainer.callbacks = [stop, ShowProgress(), *validations, saving]  # type: ignore[attr-defined]
    try:
        trainer.fit(loop, batches, ckpt_path=last if resume else None, weights_only=True)
    except Diverged as error:
        good = f"the last good checkpoint is {last}" if last.exists() else "there is no checkpoint yet"
        raise Diverged(f"{error}; {good}") from error
    trainer.save_checkpoint(last)
    if not trainer.is_global_zero:
        return None
    if loop.step >= loop.steps:
        return "finished"
    return "interrupted" if stop.received else "stopped"


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
    source = loader.open_source(
        request.val,
        SMALLEST_VALIDATION,
        request.captions,
        request.labels,
        request.needs(),
        getattr(recipe, "classes", 0),
        cache_gb=request.cache,
        quiet=not trainer.is_global_zero,
    )
    if isinstance(source, ShardSet):
        raise NicError("held-out pictures must be in a folder, not in shards")
    shortest = min(min(size) for size in source.pictures.sizes)
    crop = min(recipe.val_crop, shortest // SMALLEST_VALIDATION * SMALLEST_VALIDATION)
    batch = max(1, recipe.batch * recipe.crop**2 // crop**2)  # no more pixels than in training
    return loader.validation_loader(source, crop, batch, 0, trainer.global_rank, trainer.world_size)


def make_trainer(request: Request, machine: Machine, out: Path) -> lightning.Trainer:
    """Return Lightning's trainer, without callbacks yet, for one process or for this one of several."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)  # devices and tips; what matters is in the progress bar
    warnings.filterwarnings("ignore", module="lightning")
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun has started the processes
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    else:
        devices, nodes = machine.devices, machine.nodes
    accelerator = {"cuda": "gpu"}.get(machine.device, machine.device)
    if devices == 0:
        devices = max(torch.cuda.device_count(), 1) if machine.device in ("auto", "cuda") else 1
    several = devices * nodes > 1
    return lightning.Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        # Stages let parts of the networks learn and leave others out of the loss.
        strategy="ddp_find_unused_parameters_true" if several else "auto",
        plugins=[checkpoints.AtomicCheckpoints(), *requeue_by_user()],
        precision=PRECISIONS[request.precision],
        max_epochs=-1,
        max_steps=-1,
        log_every_n_steps=1,  # only silences a warning: ShowProgress logs
        logger=make_loggers(machine, out),
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def make_loggers(machine: Machine, out: Path) -> list[Logger]:
    """Return those of CSV and TensorBoard, and of Weights & Biases where asked for."""
    folder = out / "metrics"
    found: list[Logger] = [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]
    if machine.wandb:
        try:
            from lightning.pytorch.loggers import WandbLogger

            found.append(WandbLogger(project=machine.wandb, name=out.name, save_dir=out))
        except ImportError as error:
            raise NicError("--wandb needs the package wandb: pip install 'nic-train[wandb]'") from error
    return found


def requeue_by_user() -> list[SLURMEnvironment]:
    """Return SLURM's environment, inside a job, without its own requeueing: `nic train --resume` is what goes on."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
