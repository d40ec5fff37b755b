"""A run: a folder that holds everything about one training, from its first step to its exported weights.

run.json              codec, recipe, values, data; what resuming and exporting read
checkpoints/last.ckpt written every 1000 steps and when the run stops
metrics/              CSV and TensorBoard
weights.safetensors   what `nic encode --weights` takes
"""

import dataclasses
import json
import logging
import math
import subprocess
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from nic_core.errors import BadOption, NicError
from nic_core.plugins import codec_spec, records
from nic_core.spec import RecipeSpec, resolve
from nic_core.weights import WeightsInfo
from nic_nn.export import export, load_model
from torch.utils.data import DataLoader

from nic_train.data import CentreCrops, RandomCrops, find_pictures, read_pictures
from nic_train.loop import Loop

VALIDATION_CROP = 256
CHECKPOINT_STEPS = 1000
PRECISIONS: dict[str, Any] = {"bf16": "bf16-mixed", "fp32": "32-true"}
QUALITY_LAMBDAS = (0.0008, 0.05)
"""The lambdas, on 255^2 MSE, that stand for quality 1 and 100."""


@dataclass(frozen=True)
class Request:
    """What a run was asked for; run.json holds it.

    values: those of the recipe that differ from its own. data, val: folders. precision: "bf16" or "fp32".
    """

    codec: str
    recipe: str
    values: dict[str, Any]
    data: str
    val: str | None
    seed: int
    precision: str

    def with_values(self, changed: dict[str, str]) -> "Request":
        """Return the request with more values set."""
        return dataclasses.replace(self, values={**self.values, **changed})

    def make_recipe(self) -> Any:
        """Return the recipe; BadOption names a wrong value."""
        return make_recipe(recipe_spec(self.codec, self.recipe), self.values)


@dataclass(frozen=True)
class ExportSettings:
    """What an exported weights file says of itself; see `nic_core.weights.WeightsInfo`."""

    name: str = ""
    quality: float | None = None
    licence: str = ""
    rank: int = 0
    half: bool = False


def recipe_spec(codec: str, name: str | None) -> RecipeSpec:
    """Return a codec's recipe by name, its first one without; NicError where there is none."""
    codec_spec(codec)
    found = [spec for _, spec in records("nic_recipes") if spec.codec == codec]
    for spec in found:
        if name in (None, spec.name):
            return spec
    known = ", ".join(spec.name for spec in found) or "none"
    raise NicError(f"{codec} has no recipe {name or ''!r}; it has {known}")


def make_recipe(spec: RecipeSpec, values: dict[str, Any]) -> Any:
    """Return a recipe with `values`, text or not, over its own; BadOption names a wrong one."""
    recipe = resolve(spec.target)(codec=spec.codec, **spec.values)
    own = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe) if field.name != "codec"}
    parsed = {}
    for name, value in values.items():
        if name not in own:
            raise BadOption(f"the recipe {spec.name} has no value {name!r}; it has {', '.join(own)}")
        try:
            parsed[name] = type(own[name])(value)
        except ValueError as error:
            raise BadOption(f"{name} must be of type {type(own[name]).__name__}, not {value!r}") from error
    return dataclasses.replace(recipe, **parsed)


def read_request(run: Path) -> Request:
    """Return what a run was asked for; NicError where the folder holds no run."""
    try:
        record = json.loads((run / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise NicError(f"{run} holds no run: its run.json cannot be read") from error
    return Request(**{field.name: record[field.name] for field in dataclasses.fields(Request)})


def train(request: Request, out: Path, *, resume: bool, initial: Path | None = None, minutes: float = 0) -> bool:
    """Train; return whether the recipe's last step was reached. NicError where the run cannot start."""
    recipe = request.make_recipe()
    last = out / "checkpoints" / "last.ckpt"
    if resume and not last.exists():
        raise NicError(f"{out} holds no checkpoint to resume from")
    if not resume and last.exists():
        raise NicError(f"{out} already holds a run; go on with --resume {out}, or choose another --out")
    pictures = read_pictures(find_pictures(Path(request.data)), recipe.crop)
    validation = None
    if request.val:
        held_out = read_pictures(find_pictures(Path(request.val)), VALIDATION_CROP)
        validation = DataLoader(CentreCrops(held_out, VALIDATION_CROP), recipe.batch)

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # devices and tips; what matters is in the progress bar
    lightning.seed_everything(request.seed, verbose=False)
    # Far outliers have likelihoods around 1e-40, on which CPUs compute ten times slower than on zero.
    torch.set_flush_denormal(True)
    model = recipe.build().to(memory_format=torch.channels_last)
    if initial is not None:
        load_model(model, initial).train()
    drawn = steps_done(last) * recipe.batch if resume else 0
    loader = DataLoader(RandomCrops(pictures, recipe.crop, request.seed, drawn), recipe.batch)

    out.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(request) | {"pictures": len(pictures)}
    (out / "run.json").write_text(json.dumps(record, indent=1))
    loop = Loop(recipe, model, minutes)
    trainer = lightning.Trainer(
        max_steps=2 * recipe.steps,  # Lightning counts the steps of both optimizers
        precision=PRECISIONS[request.precision],
        callbacks=[
            ModelCheckpoint(
                out / "checkpoints",
                save_last=True,
                save_top_k=0,
                every_n_train_steps=2 * CHECKPOINT_STEPS,
                enable_version_counter=False,
            ),
            RichProgressBar(),
        ],
        logger=[CSVLogger(out, "metrics"), TensorBoardLogger(out, "metrics")],
        val_check_interval=2 * CHECKPOINT_STEPS if validation else None,
        limit_val_batches=None if validation else 0,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        # One process reads the crops: they are decoded in memory, workers would only copy them.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        try:
            trainer.fit(loop, loader, validation, ckpt_path=last if resume else None, weights_only=True)
        except SystemExit:
            if not trainer.interrupted:  # Lightning ends the program on Ctrl-C; here the run is saved first
                raise
    trainer.save_checkpoint(last)
    return trainer.global_step >= 2 * recipe.steps


def steps_done(checkpoint: Path) -> int:
    """Return the optimizer steps behind a checkpoint."""
    return torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"] // 2


def export_run(run: Path, settings: ExportSettings) -> Path:
    """Write a run's last checkpoint as a weights file, with frozen tables and provenance; return its path."""
    request = read_request(run)
    recipe = request.make_recipe()
    last = run / "checkpoints" / "last.ckpt"
    if not last.exists():
        raise NicError(f"{run} holds no checkpoint to export")
    state = torch.load(last, map_location="cpu", weights_only=True)
    model = recipe.build()
    model.load_state_dict({name.removeprefix("model."): value for name, value in state["state_dict"].items()})
    pictures = json.loads((run / "run.json").read_text())["pictures"]
    values = {key: value for key, value in dataclasses.asdict(recipe).items() if key != "codec"}
    covers_range = recipe.quality_range is not None
    info = WeightsInfo(
        codec=request.codec,
        name=settings.name or (request.codec if covers_range else f"{request.codec}-{recipe.lmbda:g}"),
        config={},
        entropy_id="",
        synthesis_id="",
        quality=recipe.quality_range or settings.quality or quality_of(recipe),
        lmbda=None if covers_range else recipe.lmbda,
        rank=settings.rank,
        licence=settings.licence,
        provenance={
            "summary": f"{state['global_step'] // 2} steps on {pictures} pictures of {Path(request.data).name}",
            "recipe": request.recipe,
            "values": values,
            "seed": request.seed,
            "commit": source_commit(),
            "versions": {name: version(name) for name in ("nic-core", "nic-nn", "nic-train", "torch")},
        },
    )
    path = run / "weights.safetensors"
    export(model, path, info, half=settings.half)
    return path


def source_commit() -> str | None:
    """Return the git commit of this program's source; None where it is installed from a wheel."""
    here = Path(__file__)
    git = ("git", "-C", str(here.parent))
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], check=True, capture_output=True)
        done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def quality_of(recipe: Any) -> float | None:
    """Return the quality of single-rate weights, from lambda on a logarithmic scale; None unless trained for MSE."""
    if recipe.metric != "mse":
        return None
    low, high = QUALITY_LAMBDAS
    share = math.log(recipe.lmbda / low) / math.log(high / low)
    return round(min(max(1 + 99 * share, 1.0), 100.0), 1)
