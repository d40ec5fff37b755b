"""The folder of a report: results.json, tables, plots, curves for CompressAI's tools, and the page."""

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write, make_folder

from nic_eval import results
from nic_eval.curves import published
from nic_eval.curves.differences import default_anchors, differences
from nic_eval.metrics.catalogue import METRICS
from nic_eval.names import slug
from nic_eval.report import page, plots
from nic_eval.results import Curve, Measurement, Results

DIGITS = {"psnr": ".2f"}


def write_report(report: Results, folder: Path) -> Path:
    """Write everything that is made from results, and return the page's path. CannotWrite."""
    make_folder(folder / "curves")
    results.write(report, folder / "results.json")
    atomic_write(folder / "results.csv", measurements_csv(report).encode())
    atomic_write(folder / "points.csv", points_csv(report).encode())
    for curve in report.curves:
        text = json.dumps(results.as_compressai(curve), indent=1)
        atomic_write(folder / "curves" / f"{slug(curve.name)}.json", text.encode())
    plots.write_plots(report, folder / "plots")
    return page.write_page(report, folder)


def measurements_csv(report: Results) -> str:
    """Return one row for each measurement: sizes in bytes, times in seconds, memory in bytes."""
    names = [name for name in METRICS if any(name in item.metrics for _, _, item in _measurements(report))]
    sizes = {picture.name: (picture.width, picture.height) for picture in report.pictures}
    head = ["curve", "kind", "point", "quality", "picture", "width", "height", "bytes", "bpp", *names]
    rows = (
        [
            *(curve.name, curve.kind, point.label, point.quality, item.picture, *sizes[item.picture]),
            *(item.bytes, item.bpp, *(item.metrics.get(name) for name in names)),
            *(item.encode_s, item.decode_s, item.peak_memory),
        ]
        for curve, point, item in _measurements(report)
    )
    return _csv([*head, "encode_s", "decode_s", "peak_memory"], rows)


def points_csv(report: Results) -> str:
    """Return one row for each point: means over the pictures."""
    points = [(curve, point) for curve in report.curves for point in curve.points]
    names = [name for name in METRICS if any(name in point.metrics for _, point in points)]
    rows = (
        [curve.name, curve.kind, point.label, point.quality, point.bpp, *(point.metrics.get(name) for name in names)]
        for curve, point in points
    )
    return _csv(["curve", "kind", "point", "quality", "bpp", *names], rows)


def summary(report: Results) -> str:
    """Return Markdown for a terminal or a README: the points of every codec, then the BD-rates from PSNR."""
    lines = []
    for curve in report.curves:
        if curve.kind != "codec":
            continue
        names = [name for name in METRICS if any(name in point.metrics for point in curve.points)]
        head = [curve.name, "bpp", *names, "encode (s)", "decode (s)"]
        lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        lines += [f"| {' | '.join(_cells(point, names))} |" for point in curve.points]
        lines.append("")
    lines += [
        f"{item.curve}: BD-rate {item.rate:+.1f} % against {item.anchor} (PSNR)"
        for item in report.differences
        if item.metric == "psnr" and item.rate is not None
    ]
    return "\n".join(lines)


def merge(files: Sequence[Path], out: Path, anchors: Sequence[str], shown: Sequence[str]) -> Results:
    """Return the results of several files as one, for a report in the folder `out`.

    anchors: of the differences, which are computed anew; without any, those that the files have. shown: published
    curves to add. A curve that two files have alike appears once; two different ones of one name are told apart by
    their folders' names. NicError where the files are of different pictures.
    """
    parts = [_moved(results.read(path), path.parent, out) for path in files]
    for path, part in zip(files, parts, strict=True):
        if _sizes(part) != _sizes(parts[0]):
            raise NicError(f"{path} is of other pictures than {files[0]}: reports of the same pictures can be merged")
    curves: dict[str, Curve] = {}
    for path, part in zip(files, parts, strict=True):
        for curve in part.curves:
            if curve.name in curves and _alike(curve, curves[curve.name]):
                continue
            name, number = curve.name, 2
            while name in curves:
                name = f"{curve.name} ({path.resolve().parent.name}{'' if number == 2 else f' {number}'})"
                number += 1
            curves[name] = replace(curve, name=name)
    for name in [*shown, *(name for name in anchors if name.startswith(published.PREFIX))]:
        curve = published.curve(name)
        curves[curve.name] = curve
    had = [item.anchor for part in parts for item in part.differences]
    chosen = list(dict.fromkeys(anchors or had)) or default_anchors(list(curves.values()))
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    pictures = [_with_file(picture.name, parts) for picture in parts[0].pictures]
    versions = {key: value for part in reversed(parts) for key, value in part.versions.items()}
    return Results(
        parts[0].data,
        tuple(pictures),
        tuple(curves.values()),
        differences(curves.values(), chosen),
        tuple(notes),
        versions,
    )


def _cells(point: results.Point, names: Sequence[str]) -> list[str]:
    """Return a point's row of the summary: means of bpp and metrics, medians of the times."""
    values = [f"{point.metrics[name]:{DIGITS.get(name, '.4f')}}" if name in point.metrics else "" for name in names]
    encode, decode = (median(getattr(item, key) for item in point.measurements) for key in ("encode_s", "decode_s"))
    return [point.label, f"{point.bpp:.3f}", *values, f"{encode:.2f}", f"{decode:.2f}"]


def _measurements(report: Results) -> list[tuple[Curve, results.Point, Measurement]]:
    return [(curve, point, item) for curve in report.curves for point in curve.points for item in point.measurements]


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def _sizes(report: Results) -> set[tuple[str, int, int]]:
    return {(picture.name, picture.width, picture.height) for picture in report.pictures}


def _with_file(name: str, parts: Sequence[Results]) -> results.Original:
    """Return a picture's entry, one with a kept copy where there is one."""
    found = [item for part in parts for item in part.pictures if item.name == name]
    return next((item for item in found if item.file), found[0])


def _alike(curve: Curve, other: Curve) -> bool:
    """Whether two curves are the same figures, wherever their files are."""
    return [(point.label, point.bpp, point.metrics) for point in curve.points] == [
        (point.label, point.bpp, point.metrics) for point in other.points
    ]


def _moved(report: Results, source: Path, target: Path) -> Results:
    """Return results whose files are named relative to another folder."""

    def moved(file: str) -> str:
        return Path(os.path.relpath(source / file, target)).as_posix() if file else ""

    curves = []
    for curve in report.curves:
        points = [
            replace(
                point,
                measurements=tuple(
                    replace(item, file=moved(item.file), decoded=moved(item.decoded)) for item in point.measurements
                ),
            )
            for point in curve.points
        ]
        curves.append(replace(curve, points=tuple(points)))
    pictures = tuple(replace(picture, file=moved(picture.file)) for picture in report.pictures)
    return replace(report, pictures=pictures, curves=tuple(curves))
