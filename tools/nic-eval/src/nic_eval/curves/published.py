"""Published rate-distortion figures on the sets of pictures that papers use, for anchors and for dashed lines in plots.

Each set has a file of figures beside this module, named after it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from nic_core.errors import BadOption

from nic_eval.results import Curve, Original, Point

KODAK = frozenset(f"kodim{number:02}" for number in range(1, 25))
PREFIX = "published:"
"""What the names of published curves begin with in a report."""


@dataclass(frozen=True)
class PictureSet:
    """Pictures that figures were published for, told by how many there are, their sizes, and names where they have any.

    file: of the figures, without ending. title: as a sentence goes on, "means over ...".
    fits: whether a picture of (width, height) may be one of them. names: of the files, without endings, or none.
    """

    file: str
    title: str
    count: int
    fits: Callable[[int, int], bool]
    names: frozenset[str] = frozenset()

    def holds(self, pictures: Iterable[Original]) -> bool:
        """Whether these are the pictures of the set."""
        found = list(pictures)
        names = {picture.name.rpartition("/")[2].partition(".")[0] for picture in found}
        right = len(found) == self.count and all(self.fits(picture.width, picture.height) for picture in found)
        return right and (not self.names or names == self.names)


SETS = (
    PictureSet("kodak", "the 24 Kodak pictures", 24, lambda *size: set(size) == {768, 512}, KODAK),
    PictureSet("clic", "the 41 pictures of CLIC (professional, validation)", 41, lambda *size: max(size) <= 2048),
    PictureSet("tecnick", "the 100 pictures of Tecnick (1200 x 1200)", 100, lambda *size: set(size) == {1200}),
)


@cache
def _figures() -> dict[str, tuple[PictureSet, dict[str, Any]]]:
    """Return each curve's set and record by its name."""
    folder = files("nic_eval.curves")
    return {
        name: (pictures, record)
        for pictures in SETS
        for name, record in json.loads((folder / f"{pictures.file}.json").read_text()).items()
    }


def names() -> list[str]:
    """Return what can be asked for, without the prefix."""
    return list(_figures())


def curve(name: str) -> Curve:
    """Return published figures, asked for with or without the prefix; BadOption, listing all, for an unknown name."""
    short = name.removeprefix(PREFIX)
    if short not in _figures():
        raise BadOption(f"no published figures are called {short!r}; there are {', '.join(names())}")
    pictures, record = _figures()[short]
    metrics = [metric for metric in record if metric not in ("source", "bpp")]
    points = tuple(
        Point(f"{bpp:.3f} bpp", None, bpp, {metric: record[metric][i] for metric in metrics}, ())
        for i, bpp in enumerate(record["bpp"])
    )
    return Curve(PREFIX + short, "published", points, f"means over {pictures.title}", {}, record["source"])


def set_of(curve: Curve) -> PictureSet:
    """Return the pictures that a published curve is of; Kodak's where another version of nic published it."""
    pictures, _ = _figures().get(curve.name.removeprefix(PREFIX), (SETS[0], None))
    return pictures


def is_kodak(pictures: Iterable[Original]) -> bool:
    """Whether these are the 24 Kodak pictures, by their names and sizes."""
    return SETS[0].holds(pictures)


def remarks(curves: Iterable[Curve], pictures: Iterable[Original], metrics: Sequence[str]) -> list[str]:
    """Return what a report of these curves must say of the published ones: other pictures, metrics that they lack."""
    shown, measured = [curve for curve in curves if curve.kind == "published"], list(pictures)
    by_set: dict[PictureSet, list[str]] = {}
    for curve in shown:
        by_set.setdefault(set_of(curve), []).append(curve.name)
    notes = [
        f"{', '.join(names) if len(by_set) > 1 else 'published curves'} are means over {others.title}; "
        "this report is of other pictures"
        for others, names in by_set.items()
        if not others.holds(measured)
    ]
    lacking = {curve.name: _lacking(curve, metrics) for curve in shown}
    return notes + [f"{name} has no published {' or '.join(missing)}" for name, missing in lacking.items() if missing]


def _lacking(curve: Curve, metrics: Sequence[str]) -> list[str]:
    return [metric for metric in metrics if not any(metric in point.metrics for point in curve.points)]
