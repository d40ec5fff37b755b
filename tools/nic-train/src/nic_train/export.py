"""From a run's checkpoint to a weights file that `nic encode` takes, or to one of another part of the training."""

import dataclasses
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import atomic_path
from nic_core.weights import WeightsInfo
from nic_core.weights.decoders import cut
from nic_core.weights.origin import quality_of as quality_of_tradeoff
from nic_nn.model import LatentModel
from nic_nn.weights.export import check_making, export

from nic_train import checkpoints
from nic_train.checkpoints import BEST, Which
from nic_train.request import Record
from nic_train.restoring import Restored, restore
from nic_train.start.parts import PartInfo, write_part
from nic_train.start.sources import keeps_symbols
from nic_train.start.symbols import integers_of

LONGEST_TEXT = 100
MODEL, WEIGHTS = "model", "weights"


@dataclass(frozen=True)
class ExportSettings:
    """What an exported weights file says of itself (see `nic_core.weights.WeightsInfo`), and of which step it is.

    step: of a checkpoint that was kept, or "best"; None for the last one, and the best beside it.
    part: of the training: "model", or "auxiliary" or "adversary", whose files other runs start from; "" for the model,
        or the adversary where nothing else has learned.
    calibrate, integers_of: what the integers are made from, as `nic_nn.weights.export.export` takes them.

    BadOption for a name or a licence that is too long or cannot be printed, and for both of the last two.
    """

    name: str = ""
    quality: float | None = None
    licence: str = ""
    rank: int = 0
    half: bool = False
    step: Which = None
    part: str = ""
    calibrate: Path | None = None
    integers_of: Path | None = None

    def __post_init__(self) -> None:
        """Check what is written into the file, before a training rather than after it."""
        for what, text in (("name", self.name), ("licence", self.licence)):
            if len(text) > LONGEST_TEXT or not text.isprintable():
                raise BadOption(f"the {what} must be printable and at most {LONGEST_TEXT} characters")
        check_making(self.calibrate, self.integers_of)


@dataclass(frozen=True)
class Exported:
    """A file that was written; integers: what those in it were made from, empty where there are none."""

    path: Path
    integers: str


@dataclass(frozen=True)
class Trained:
    """What a run has learned after so many steps.

    model: with averaged weights where the recipe averages, in floating point, without what only training needs.
    """

    record: Record
    recipe: Any
    steps: int
    model: LatentModel


def trained(run: Path, which: Which = None) -> Trained:
    """Read one of a run's checkpoints; NicError where its model is still as it was drawn."""
    return _trained(restore(run, which), run)


def export_run(run: Path, settings: ExportSettings) -> list[Exported]:
    """Write what a run has learned.

    Of the last checkpoint that is weights.safetensors, and best.safetensors of the best one where that was kept; of a
    step weights-STEP.safetensors; of another part of the training than the model adversary.safetensors and so on.
    Beside weights with a named synthesis for others' symbols lies that alone, a decoder file:
    weights.decoder.safetensors.
    """
    found = restore(run, settings.step)
    written = [_export(run, found, settings, settings.step)]
    if settings.step is None and checkpoints.path_of(run, BEST).is_file():
        best = restore(run, BEST)
        if best.loop.step == found.loop.step:
            written.append(_copied(written[0], run, settings))
        else:
            written.append(_export(run, best, settings, BEST))
    recipe: Any = found.loop.recipe
    if keeps_symbols(recipe) and recipe.decoder:
        written += [_cut(whole) for whole in written]
    return written


def _cut(whole: Exported) -> Exported:
    """Write the decoder file of weights beside them."""
    path = whole.path.with_suffix(".decoder.safetensors")
    cut(whole.path, path)
    return Exported(path, "")


def _export(run: Path, found: Restored, settings: ExportSettings, which: Which) -> Exported:
    """Write a checkpoint as a weights file, with integer nets and provenance, or as the file of a part."""
    part = settings.part or (MODEL if MODEL in found.learned else [*found.learned, MODEL][0])
    path = run / _name(part, which)
    if part != MODEL:
        return Exported(path, _write_part(run, found, part, path))
    model = _trained(found, run)
    info = export(
        model.model,
        path,
        _info(model, settings),
        half=settings.half,
        calibrate=settings.calibrate,
        integers_of=settings.integers_of or integers_of(run, model.recipe),
    )
    return Exported(path, info.integers)


def _copied(last: Exported, run: Path, settings: ExportSettings) -> Exported:
    """Write the best checkpoint's file, which is the last one's."""
    part = MODEL if last.path.stem == WEIGHTS else last.path.stem
    path = run / _name(part, BEST)
    with atomic_path(path) as temporary:
        shutil.copyfile(last.path, temporary)
    return Exported(path, last.integers)


def _name(part: str, which: Which) -> str:
    """Return what the file of a part and a checkpoint is called."""
    if part == MODEL:
        return "best.safetensors" if which == BEST else f"{WEIGHTS}{'' if which is None else f'-{which}'}.safetensors"
    return f"{part}{'' if which is None else f'-{which}'}.safetensors"


def _trained(found: Restored, run: Path) -> Trained:
    if MODEL not in found.learned:
        learned = " and ".join(found.learned) or "nothing"
        raise NicError(f"the model of {run} is still as it was drawn; what has learned: {learned}")
    return Trained(found.record, found.loop.recipe, found.loop.step, found.recipe().exported(found.loop.validated))


def _write_part(run: Path, found: Restored, part: str, path: Path) -> str:
    """Write a part of a training that is not the model; NicError where the run has none that has learned."""
    if part not in found.learned:
        raise NicError(f"{run} has no {part} that has learned; what has: {' and '.join(found.learned) or 'nothing'}")
    request, record = found.record.request, found.record
    info = PartInfo(request.codec, part, _summary(record, found.loop.step), _provenance(record, found.loop.recipe))
    write_part(path, info, found.loop.networks.parts()[part].state_dict())
    return ""


def _info(found: Trained, settings: ExportSettings) -> WeightsInfo:
    record, recipe = found.record, found.recipe
    codec = record.request.codec
    covers_range = recipe.quality_range is not None
    return WeightsInfo(
        codec=codec,
        name=settings.name or _name_of(recipe, codec),
        config={},
        entropy_id="",
        synthesis_id="",
        quality=recipe.quality_range or settings.quality or quality_of(recipe),
        lmbda=None if covers_range else recipe.tradeoff,
        rank=settings.rank,
        licence=settings.licence,
        provenance={"summary": _summary(record, found.steps), **_provenance(record, recipe)},
        decoder=getattr(recipe, "decoder", ""),
    )


def _name_of(recipe: Any, codec: str) -> str:
    """Return what weights are called: by their decoder where they share symbols, else by what they were trained for."""
    if keeps_symbols(recipe):
        return f"{codec}-{recipe.decoder}" if recipe.decoder else codec
    return codec if recipe.quality_range is not None else f"{codec}-{recipe.tradeoff:.4g}"


def _summary(record: Record, steps: int) -> str:
    """Return in a line what was trained."""
    return f"{steps} steps on {record.data.pictures or 'many'} pictures of {Path(record.request.data).name}"


def _provenance(record: Record, recipe: Any) -> dict[str, Any]:
    """Return what a file says of its training."""
    request, choice = record.request, record.request.choice
    return {
        "recipe": choice.name,
        "values": {key: value for key, value in dataclasses.asdict(recipe).items() if key != "codec"},
        **({"stages": choice.stages} if choice.stages else {}),
        **({"only": choice.only} if choice.only else {}),
        **({"initial": record.initial} if record.initial else {}),
        "data": dataclasses.asdict(record.data),
        "seed": request.seed,
        "commit": source_commit(),
        "versions": {name: version(name) for name in ("nic-core", "nic-nn", "nic-train", "torch")},
    }


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
    if getattr(recipe, "metric", None) != "mse" or not recipe.tradeoff > 0:
        return None
    return quality_of_tradeoff(recipe.tradeoff)
