"""From a run's checkpoint to a weights file that `nic encode` takes."""

import dataclasses
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nic_core.errors import BadOption
from nic_core.weights import WeightsInfo
from nic_core.weights.origin import quality_of as quality_of_tradeoff
from nic_nn.model import LatentModel
from nic_nn.weights.export import check_making, export

from nic_train import checkpoints
from nic_train.loop import Loop
from nic_train.request import Record, read_record

LONGEST_TEXT = 100


@dataclass(frozen=True)
class ExportSettings:
    """What an exported weights file says of itself (see `nic_core.weights.WeightsInfo`), and of which step it is.

    step: of a checkpoint that was kept; None for the last one.
    calibrate, integers_of: what the integers are made from, as `nic_nn.weights.export.export` takes them.

    BadOption for a name or a licence that is too long or cannot be printed, and for both of the last two.
    """

    name: str = ""
    quality: float | None = None
    licence: str = ""
    rank: int = 0
    half: bool = False
    step: int | None = None
    calibrate: Path | None = None
    integers_of: Path | None = None

    def __post_init__(self) -> None:
        """Check what is written into the file, before a training rather than after it."""
        for what, text in (("name", self.name), ("licence", self.licence)):
            if len(text) > LONGEST_TEXT or not text.isprintable():
                raise BadOption(f"the {what} must be printable and at most {LONGEST_TEXT} characters")
        check_making(self.calibrate, self.integers_of)


@dataclass(frozen=True)
class Trained:
    """What a run has learned after so many steps.

    model: with averaged weights where the recipe averages, in floating point, without what only training needs.
    """

    record: Record
    recipe: Any
    steps: int
    model: LatentModel


def trained(run: Path, step: int | None = None) -> Trained:
    """Read a run's checkpoint; step: of one that was kept, None for the last."""
    record = read_record(run)
    state = checkpoints.read(checkpoints.path_of(run, step))
    loop = Loop(record.request.recipe(), record.request.stages())
    checkpoints.check_fits(loop, state["state_dict"])
    loop.load_state_dict(state["state_dict"])
    stage, _ = loop.stage_at(max(state["step"] - 1, 0))
    return Trained(record, loop.recipe, state["step"], loop.recipe.at(stage).exported(loop.validated))


def export_run(run: Path, settings: ExportSettings) -> tuple[Path, WeightsInfo]:
    """Write a run's checkpoint as a weights file, with integer nets and provenance; return its path and record."""
    found = trained(run, settings.step)
    path = run / ("weights.safetensors" if settings.step is None else f"weights-{settings.step}.safetensors")
    info = export(
        found.model,
        path,
        _info(found, settings),
        half=settings.half,
        calibrate=settings.calibrate,
        integers_of=settings.integers_of,
    )
    return path, info


def _info(found: Trained, settings: ExportSettings) -> WeightsInfo:
    record, recipe = found.record, found.recipe
    request = record.request
    covers_range = recipe.quality_range is not None
    pictures = record.data.pictures or "many"
    values = {key: value for key, value in dataclasses.asdict(recipe).items() if key != "codec"}
    return WeightsInfo(
        codec=request.codec,
        name=settings.name or (request.codec if covers_range else f"{request.codec}-{recipe.tradeoff:.4g}"),
        config={},
        entropy_id="",
        synthesis_id="",
        quality=recipe.quality_range or settings.quality or quality_of(recipe),
        lmbda=None if covers_range else recipe.tradeoff,
        rank=settings.rank,
        licence=settings.licence,
        provenance={
            "summary": f"{found.steps} steps on {pictures} pictures of {Path(request.data).name}",
            "recipe": request.choice.name,
            "values": values,
            **({"stages": request.choice.stages} if request.choice.stages else {}),
            **({"initial": record.initial} if record.initial else {}),
            "data": dataclasses.asdict(record.data),
            "seed": request.seed,
            "commit": source_commit(),
            "versions": {name: version(name) for name in ("nic-core", "nic-nn", "nic-train", "torch")},
        },
    )


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
