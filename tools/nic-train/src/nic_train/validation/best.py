"""The best checkpoint of a run by one value of its validation, described in best.json."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.files.json_files import read_json

from nic_train.checkpoints import BEST, path_of
from nic_train.request import from_json

RECORD = "best.json"
HIGHER_IS_BETTER = ("psnr", "ms-ssim")
"""Ends of the names of such values; of all others less is better."""


@dataclass(frozen=True)
class Best:
    """What was best. value: the name that it was chosen by; values: all that the validation found there.

    stage: whose values those are; another stage has other losses, and so a best of its own.
    """

    value: str
    step: int
    stage: str
    values: dict[str, float]


def improves(found: Best, best: Best | None) -> bool:
    """Tell whether a validation is better than the best so far; by another value, or in another stage, it is."""
    now = found.values[found.value]
    if not math.isfinite(now):
        return False
    if best is None or (best.value, best.stage) != (found.value, found.stage):
        return True
    before = best.values[best.value]
    return now > before if found.value.endswith(HIGHER_IS_BETTER) else now < before


def write_best(run: Path, best: Best) -> None:
    """Write best.json; without values that are no finite numbers."""
    values = {name: value for name, value in best.values.items() if math.isfinite(value)}
    atomic_write(run / RECORD, json.dumps({**asdict(best), "values": values}, indent=1).encode())


def forget(run: Path) -> None:
    """Take away what an earlier run in the same folder, which came to no checkpoint, has left."""
    for path in (run / RECORD, path_of(run, BEST)):
        path.unlink(missing_ok=True)


def read_best(run: Path) -> Best | None:
    """Return what best.json says, None where there is none yet; NicError where it is of another form."""
    path = run / RECORD
    if not path.is_file():
        return None
    try:
        best = from_json(Best, read_json(path))
        best.values[best.value]
    except (LookupError, TypeError) as error:
        raise NicError(f"{path} is not of a run that this nic train can read: {error}") from error
    return best
