"""Several results files of the same pictures as one report."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write, make_folder

from nic_eval import results
from nic_eval.curves import published
from nic_eval.curves.differences import default_anchors, differences
from nic_eval.files import file_below
from nic_eval.report.gallery import FOLDER
from nic_eval.results import Curve, Original, Results


def merge(files: Sequence[Path], out: Path, anchors: Sequence[str], shown: Sequence[str]) -> Results:
    """Return the results of several files as one, for a report in the folder `out`.

    anchors: of the differences, which are computed anew; without any, those that the files have. shown: published
    curves to add. A curve that two files have alike appears once; two different ones of one name are told apart by
    their folders' names. Pictures for the page are copied into `out` where they are not below it; coded files stay
    where they are, and are no longer named then.

    NicError where the files are of different pictures or name files outside their folders, BadOption for unknown names.
    """
    parts = [results.read(path) for path in files]
    for path, part in zip(files, parts, strict=True):
        if _sizes(part) != _sizes(parts[0]):
            raise NicError(f"{path} is of other pictures than {files[0]}: reports of the same pictures can be merged")
    adopt = [_Adopter(path.parent, out) for path in files]
    curves: dict[str, Curve] = {}
    owners: dict[str, _Adopter] = {}
    for path, part, adopter in zip(files, parts, adopt, strict=True):
        for curve in part.curves:
            if curve.name in curves and _alike(curve, curves[curve.name]):
                continue
            name, number = curve.name, 2
            while name in curves:
                name = f"{curve.name} ({path.resolve().parent.name}{'' if number == 2 else f' {number}'})"
                number += 1
            curves[name] = replace(curve, name=name)
            owners[name] = adopter
    for name in [*shown, *(name for name in anchors if name.startswith(published.PREFIX))]:
        curve = published.curve(name)
        curves[curve.name] = curve
    had = [item.anchor for part in parts for item in part.differences]
    chosen = list(dict.fromkeys(anchors or had)) or default_anchors(list(curves.values()))
    found = differences(curves.values(), chosen, parts[0].pictures)
    notes = [note for part in parts for note in part.notes]
    notes += published.remarks(curves.values(), parts[0].pictures, _metrics(curves.values()))
    versions = {key: value for part in reversed(parts) for key, value in part.versions.items()}
    pictures = [_with_file(picture.name, parts, adopt) for picture in parts[0].pictures]
    kept = [owners[name].curve(curve) if name in owners else curve for name, curve in curves.items()]
    return Results(parts[0].data, tuple(pictures), tuple(kept), found, tuple(dict.fromkeys(notes)), versions)


@dataclass(frozen=True)
class _Adopter:
    """Takes over what a report names, for another one: the files' names become those below the folder `out`."""

    source: Path
    out: Path

    def curve(self, curve: Curve) -> Curve:
        points = []
        for point in curve.points:
            items = [
                replace(item, file=self.inside(item.file), decoded=self.copied(item.decoded))
                for item in point.measurements
            ]
            points.append(replace(point, measurements=tuple(items)))
        return replace(curve, points=tuple(points))

    def inside(self, name: str) -> str:
        """Return the new name of a file that lies below `out`, else nothing."""
        path, out = file_below(self.source, name), self.out.resolve()
        return path.relative_to(out).as_posix() if name and path.is_relative_to(out) else ""

    def copied(self, name: str) -> str:
        """Return the new name of a picture, which is copied where it does not lie below `out`."""
        if not name or (kept := self.inside(name)):
            return kept if name else ""
        try:
            data = file_below(self.source, name).read_bytes()
        except OSError:
            return f"{FOLDER}/missing.webp"  # which the page notes
        make_folder(self.out / FOLDER)
        target = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:16]}.webp"
        atomic_write(self.out / target, data)
        return target


def _sizes(report: Results) -> set[tuple[str, int, int]]:
    return {(picture.name, picture.width, picture.height) for picture in report.pictures}


def _metrics(curves: Iterable[Curve]) -> list[str]:
    """Return the metrics that were measured."""
    measured = [point for curve in curves if curve.kind != "published" for point in curve.points]
    return list(dict.fromkeys(metric for point in measured for metric in point.metrics))


def _with_file(name: str, parts: Sequence[Results], adopt: Sequence[_Adopter]) -> Original:
    """Return a picture's entry, one with a kept copy where there is one."""
    found = [
        (item, adopter)
        for part, adopter in zip(parts, adopt, strict=True)
        for item in part.pictures
        if item.name == name
    ]
    item, adopter = next((pair for pair in found if pair[0].file), found[0])
    return replace(item, file=adopter.copied(item.file))


def _alike(curve: Curve, other: Curve) -> bool:
    """Whether two curves are the same figures, wherever their files are."""
    return [(point.label, point.bpp, point.metrics) for point in curve.points] == [
        (point.label, point.bpp, point.metrics) for point in other.points
    ]
