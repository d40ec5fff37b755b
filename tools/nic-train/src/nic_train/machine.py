"""Where a run computes, and in which precision."""

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from nic_core.errors import BadOption
from nic_nn.bfloat16 import suits_bf16
from nic_nn.codec import pick_device
from nic_nn.training.networks import Networks

from nic_train.checkpoints import AtomicCheckpoints

COMPILER = "inductor"
"""Of torch.compile's backends."""

PRECISIONS: dict[str, Any] = {"bf16": "bf16-mixed", "fp32": "32-true"}


@dataclass(frozen=True)
class Machine:
    """Where a run computes; none of it decides the result beyond the order of float sums.

    device: "auto", "cpu", "cuda" or "mps". devices: processes on each machine, 0 for all it has (one on CPU);
    nodes: machines. minutes: stop after this long, 0 for never. wandb: Weights & Biases project, empty for none.

    BadOption where the minutes are no number or below 0.
    """

    device: str = "auto"
    devices: int = 0
    nodes: int = 1
    minutes: float = 0
    wandb: str = ""

    def __post_init__(self) -> None:
        """Check what the command line does not."""
        if not 0 <= self.minutes < math.inf:
            raise BadOption(f"minutes must be at least 0, not {self.minutes}")

    @property
    def kind(self) -> str:
        """ "cpu", "cuda" or "mps"; NicError where there is no such device."""
        return pick_device(self.device).type


def chosen_precision(precision: str, kind: str) -> tuple[str, str]:
    """Return the precision that "auto" or a given one means on devices of a kind, and what to tell the user of it."""
    if precision == "auto" and suits_bf16(kind):
        return "bf16", ""
    where = "this processor" if kind == "cpu" else "this device"
    if precision == "auto":
        return "fp32", f"{where} does not compute in bf16: training in fp32 (--precision)"
    if precision == "bf16" and not suits_bf16(kind):
        return "bf16", f"{where} only imitates bf16, slowly; --precision fp32 is faster, and ends with other weights"
    return precision, ""


def compile_networks(networks: Networks) -> None:
    """Compile the transforms and the adversary (torch.compile): what takes most of a step.

    Never the model as a whole, whose context is a generator. Names of parameters stay as they are.
    """
    model = networks.model
    for network in (model.g_a, model.g_s, model.h_a, model.h_s, networks.adversary):
        if network is not None:
            network.compile(backend=COMPILER)


@contextmanager
def products_in_tf32(allowed: bool | None) -> Iterator[None]:
    """Let GPUs round the factors of float32 products and convolutions to TF32, or not; None changes nothing."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    if allowed is not None:
        for switch in switches:
            switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


def make_trainer(machine: Machine, precision: str, loggers: list[Logger]) -> lightning.Trainer:
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
        plugins=[AtomicCheckpoints(), *requeue_by_user()],
        precision=PRECISIONS[precision],
        max_epochs=-1,
        max_steps=-1,
        log_every_n_steps=1,  # only silences a warning: ShowProgress logs
        logger=loggers,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def requeue_by_user() -> list[SLURMEnvironment]:
    """Return SLURM's environment, inside a job, without its own requeueing: `nic train --resume` is what goes on."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
