"""A run: a folder that holds everything about one training, from its first step to its exported weights.

run.json        codec, recipe, values, data, versions; what a resumed or exported run reads
checkpoints/    last.ckpt, written every few minutes
metrics/        CSV and TensorBoard
weights.safetensors   what `nic encode --weights` takes
"""

import dataclasses
import json
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
from torch.utils.data import DataLoader

from nic_train.data import CentreCrops, RandomCrops, find_pictures, read_pictures
from nic_train.loop import Loop

warnings.filterwarnings("ignore", message=".*does not have many workers.*")
warnings.filterwarnings("ignore", message=".*`IterableDataset` has `__len__`.*")


def recipe_spec(codec: str, name: str | None) -> RecipeSpec:
    """Return a codec's recipe by name, its first one without; NicError where there is none."""
    codec_spec(codec)
    found = [spec for _, spec in records("nic_recipes") if spec.codec == codec]
    for spec in found:
        if name in (None, spec.name):
            return spec
    known = ", ".join(spec.name for spec in found) or "none"
    raise NicError(f"{codec} has no recipe {name or ''}; known: {known}")


def make_recipe(spec: RecipeSpec, values: dict[str, str]) -> Any:
    """Return the recipe with `values` (text) over its own; BadOption names a wrong one."""
    recipe = resolve(spec.target)(codec=spec.codec, **spec.values)
    fields = {field.name: field for field in dataclasses.fields(recipe) if field.name != "codec"}
    parsed = {}
    for name, text in values.items():
        if name not in fields:
            raise BadOption(f"recipe {spec.name} has no value {name!r}; it has {', '.join(fields)}")
        now = getattr(recipe, name)
        try:
            parsed[name] = type(now)(text)
        except ValueError as error:
            raise BadOption(f"{name} must be of type {type(now).__name__}, not {text!r}") from error
    return dataclasses.replace(recipe, **parsed)


@dataclass(frozen=True)
class Request:
    """What `nic train` was asked for; run.json holds it."""

    codec: str
    recipe: str
    values: dict[str, Any]
    data: str
    val: str | None
    seed: int
    precision: str


def train(request: Request, recipe: Any, out: Path, *, resume: bool, initial: Path | None, minutes: float) -> Path:
    """Train to the end of the recipe and return the exported weights file."""
    lightning.seed_everything(request.seed, verbose=False)
    # Far outliers have likelihoods around 1e-40, on which CPUs compute ten times slower than on zero.
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    last = out / "checkpoints" / "last.ckpt"
    if resume and not last.exists():
        raise NicError(f"{out} holds no checkpoint to resume from")
    if not resume and last.exists():
        raise NicError(f"{out} already holds a run; continue it with --resume or choose another --out")

    pictures = read_pictures(find_pictures(Path(request.data)), recipe.crop)
    seen = torch.load(last, map_location="cpu", weights_only=True)["global_step"] // 2 * recipe.batch if resume else 0
    loader = DataLoader(RandomCrops(pictures, recipe.crop, request.seed, seen), recipe.batch)
    validation = None
    if request.val:
        held_out = read_pictures(find_pictures(Path(request.val)), 256)
        validation = DataLoader(CentreCrops(held_out, 256), recipe.batch)

    model = recipe.build().to(memory_format=torch.channels_last)
    if initial is not None:
        state = torch.load(initial, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    (out / "run.json").write_text(json.dumps(dataclasses.asdict(request) | {"pictures": len(pictures)}, indent=1))
    trainer = lightning.Trainer(
        max_steps=2 * recipe.steps,
        precision=request.precision,
        accelerator="auto",
        callbacks=[
            ModelCheckpoint(
                out / "checkpoints", save_last=True, save_top_k=0, every_n_train_steps=1000, enable_version_counter=False
            ),
            RichProgressBar(),
        ],
        logger=[CSVLogger(out, "metrics", ""), TensorBoardLogger(out, "metrics", "")],
        val_check_interval=2000 if validation else None,
        limit_val_batches=None if validation else 0,
        max_time={"minutes": minutes} if minutes else None,
        enable_model_summary=False,
    )
    trainer.fit(Loop(recipe, model), loader, validation, ckpt_path=last if resume else None, weights_only=True)
    trainer.save_checkpoint(last)
    return out
