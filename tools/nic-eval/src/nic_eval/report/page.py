"""report.html: an interactive rate-distortion chart, the BD table and pictures to compare.

The page's markup, style and script are the files in page_assets; this module puts them, the results and the pictures
into one file that loads nothing else but exact pictures from its own folder.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from nic_core.files.atomic import atomic_write

from nic_eval.curves.ranges import View, view
from nic_eval.curves.sweeps import sweeps
from nic_eval.metrics.catalogue import ordered
from nic_eval.report.pictures import Embed, Pictures
from nic_eval.results import Curve, Measurement, Point, Results

KIND = "nic · rate and distortion"

SECTIONS = ("chart", "differences", "pictures")
"""The parts of the page, as files of page_assets, in the order of reading."""

SCRIPTS = (
    "format.js",
    "dom.js",
    "ticks.js",
    "chart.js",
    "details.js",
    "differences.js",
    "loader.js",
    "viewer.js",
    "main.js",
)
"""The page's script, in the order of use: later files call earlier ones."""

LISTED = 200
"""Pictures whose own figures the page holds, so that thousands do not make it too large to open."""


def write_page(results: Results, folder: Path, name: str = "report.html", embed: Embed = "previews") -> Path:
    """Write the page of the results into the folder, and return its path.

    folder: of results.json; the pictures that the results name are read from there, and those missing are noted on
    the page. embed: whether the page holds previews of them and loads the exact ones from there, or all of it.

    CannotWrite where the page cannot be written, NicError where the results name a file outside the folder.
    """
    path = folder / name
    atomic_write(path, page_bytes(results, folder, embed))
    return path


def page_bytes(
    results: Results, folder: Path, embed: Embed, kind: str = KIND, sections: Sequence[str] = SECTIONS
) -> bytes:
    """Return the page, see `write_page`. kind: what its head calls it. sections: in the order of reading."""
    pictures = Pictures(folder, embed)
    pictures.add_all(list(_files(results)))
    data = as_data(results, pictures)
    table = _table(results.curves)
    text = Template(_asset("page.html")).substitute(
        kind=escape(kind),
        title=escape(results.data),
        sections="\n".join(Template(_asset(f"{section}.html")).substitute(table=table) for section in sections),
        summary=escape(_summary(results)),
        style=_asset("page.css"),
        notes=_notes([*results.notes, *pictures.notes()]),
        versions=escape(" · ".join(f"{key} {value}" for key, value in results.versions.items())),
        data=_json(data),
        pictures="\n".join(pictures.scripts),
        script="\n".join(_asset(script) for script in SCRIPTS),
    )
    return text.encode(errors="replace")


def as_data(results: Results, pictures: Pictures) -> dict[str, Any]:
    """Return what the page's script reads; files are replaced by what `Pictures.get` returns."""
    listed = {item.name for item in results.pictures[:LISTED]}
    metrics = ordered(name for curve in results.curves for point in curve.points for name in point.metrics)
    return {
        "count": len(results.pictures),
        "pictures": [{**asdict(item), "file": pictures.get(item.file)} for item in results.pictures[:LISTED]],
        "curves": [
            {
                "name": curve.name,
                "kind": curve.kind,
                "description": curve.description,
                "gmacs": curve.gmacs,
                "source": curve.source,
                "points": [_point_data(point, listed, pictures) for point in curve.points],
            }
            for curve in results.curves
        ],
        "differences": [asdict(item) for item in results.differences],
        "views": {metric: _view_data(shown) for metric in metrics if (shown := view(results.curves, metric))},
        "sweeps": [asdict(line) for line in sweeps(results.curves)],
    }


def _files(results: Results) -> Iterator[str]:
    """Yield the names of the pictures that the page shows."""
    listed = {item.name for item in results.pictures[:LISTED]}
    yield from (item.file for item in results.pictures[:LISTED])
    for curve in results.curves:
        for point in curve.points:
            yield from (item.decoded for item in point.measurements if item.picture in listed)


def _view_data(shown: View) -> dict[str, Any]:
    strays = [[place.curve, place.point] for place in shown.strays]
    return {"rate": shown.rate, "value": shown.value, "least": shown.least, "strays": strays}


def _point_data(point: Point, listed: set[str], pictures: Pictures) -> dict[str, Any]:
    items = point.measurements
    return {
        "label": point.label,
        "bpp": point.bpp,
        "metrics": point.metrics,
        "bytes": _mean(item.bytes for item in items),
        "encode_s": _mean(item.encode_s for item in items),
        "decode_s": _mean(item.decode_s for item in items),
        "peak_memory": max((item.peak_memory for item in items), default=None),
        "measurements": [_measurement_data(item, pictures) for item in items if item.picture in listed],
    }


def _measurement_data(item: Measurement, pictures: Pictures) -> dict[str, Any]:
    record = {**asdict(item), "decoded": pictures.get(item.decoded)}
    del record["file"]
    return record


def _mean(values: Iterable[float | None]) -> float | None:
    items = [value for value in values if value is not None]
    return sum(items) / len(items) if items else None


def _json(data: Any) -> str:
    """Return JSON that is safe inside a script element and that browsers parse: no "<", no infinities."""
    return json.dumps(_finite(data), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return data


def _summary(results: Results) -> str:
    kinds = [curve.kind for curve in results.curves]
    counts = [
        (len(results.pictures), "picture", "pictures"),
        (kinds.count("codec"), "codec", "codecs"),
        (kinds.count("baseline"), "baseline", "baselines"),
        (kinds.count("published"), "published curve", "published curves"),
    ]
    return " · ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)


def _table(curves: Sequence[Curve]) -> str:
    """Return the points as a plain table, for readers without scripts."""
    metrics = list(dict.fromkeys(key for curve in curves for point in curve.points for key in point.metrics))
    head = _row("th", ["codec", "point", "bpp", *metrics])
    body = ""
    for curve in curves:
        for point in curve.points:
            values = (point.metrics.get(key) for key in metrics)
            cells = ("" if value is None else f"{value:.4g}" for value in values)
            body += _row("td", [curve.name, point.label, f"{point.bpp:.3f}", *cells])
    return f"<thead>{head}</thead><tbody>{body}</tbody>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _notes(notes: list[str]) -> str:
    """Return the section of notes, empty where there are none."""
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section aria-labelledby="notes"><h2 id="notes">Notes</h2><ul class="notes">{items}</ul></section>'


def _asset(name: str) -> str:
    return (resources.files("nic_eval.report") / "page_assets" / name).read_text(encoding="utf-8")
