"""A report's figures as CSV, and as a table for a terminal or a README."""

import csv
import io
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from nic_eval import results
from nic_eval.curves.by_picture import rates_by_picture
from nic_eval.curves.differences import METRICS
from nic_eval.metrics.catalogue import ordered
from nic_eval.results import Curve, Measurement, Results

DIGITS = {"psnr": ".2f"}

TIMES = ("encode (s)", "decode (s)")
TIME_KEYS = ("encode_s", "decode_s")
WORST = 3
"""How many of the pictures are named that a codec is worst at."""


def measurements_csv(report: Results) -> str:
    """Return one row for each measurement: sizes in bytes, times in seconds, memory in bytes."""
    names = ordered(name for _, _, item in _measurements(report) for name in item.metrics)
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
    names = ordered(name for _, point in points for name in point.metrics)
    rows = (
        [curve.name, curve.kind, point.label, point.quality, point.bpp, *(point.metrics.get(name) for name in names)]
        for curve, point in points
    )
    return _csv(["curve", "kind", "point", "quality", "bpp", *names], rows)


def summary(report: Results) -> str:
    """Return Markdown for a terminal or a README: the points of every codec, then all curves against each anchor."""
    lines = []
    for curve in report.curves:
        if curve.kind != "codec":
            continue
        names = ordered(name for point in curve.points for name in point.metrics)
        lines += _table([[curve.name, "bpp", *names, *TIMES], *(_cells(point, names) for point in curve.points)])
        lines.append("")
    if lines:
        lines += ["Times are medians over the pictures, without start-up.", ""]
    for anchor in dict.fromkeys(item.anchor for item in report.differences):
        lines += _against(report, anchor)
    return "\n".join(lines)


def _against(report: Results, anchor: str) -> list[str]:
    """Return the table of all curves beside an anchor, what of it cannot be compared, and the worst pictures."""
    found = {(item.curve, item.metric): item for item in report.differences if item.anchor == anchor}
    rows: list[list[str]] = []
    remarks: list[str] = []
    for curve in report.curves:
        own = [found.get((curve.name, metric)) for metric in METRICS]
        if not any(own):
            continue
        measured = [item for point in curve.points for item in point.measurements]
        times = (_median([getattr(item, key) for item in measured]) for key in TIME_KEYS)
        rates = [f"{item.rate:+.1f} %" if item and item.rate is not None else "" for item in own]
        rows.append([curve.name, *rates, *times])
        remarks += [f"{curve.name}: not comparable: {doubt}" for doubt in {item.doubt for item in own if item} - {""}]
        base = next(item for item in report.curves if item.name == anchor)
        if curve.kind == "codec" and (by_picture := rates_by_picture(curve, base, "psnr")):
            worst = ", ".join(f"{name} {rate:+.1f} %" for name, rate in by_picture[:WORST])
            remarks.append(f"{curve.name}: worst pictures (PSNR): {worst}")
    head = [f"against {anchor}", *(f"BD-rate, {metric}" for metric in METRICS), *TIMES]
    return [*_table([head, *rows]), "", *remarks, *([""] if remarks else [])] if rows else []


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table with its columns in line; none is ever cut or broken."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _cells(point: results.Point, names: Sequence[str]) -> list[str]:
    """Return a point's row of the summary: means of bpp and metrics, medians of the times."""
    values = [f"{point.metrics[name]:{DIGITS.get(name, '.4f')}}" if name in point.metrics else "" for name in names]
    times = (_median([getattr(item, key) for item in point.measurements]) for key in TIME_KEYS)
    return [point.label, f"{point.bpp:.3f}", *values, *times]


def _median(times: Sequence[float | None]) -> str:
    """Return the median of the times that were taken, nothing where none was."""
    taken = [time for time in times if time is not None]
    return f"{median(taken):.2f}" if taken else ""


def _measurements(report: Results) -> list[tuple[Curve, results.Point, Measurement]]:
    return [(curve, point, item) for curve in report.curves for point in curve.points for item in point.measurements]


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
