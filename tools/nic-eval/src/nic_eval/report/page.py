"""report.html: one file with an interactive rate-distortion chart, the BD table and pictures to compare.

The page's markup, style and script are the files in page_assets; this module puts them, the results and the pictures
into one file that loads nothing else.
"""

import base64
import json
import math
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from nic_core.files.atomic import atomic_write

from nic_eval.results import Curve, Measurement, Point, Results

SCRIPTS = ("format.js", "dom.js", "chart.js", "details.js", "differences.js", "viewer.js", "main.js")
"""The page's script, in the order of use: later files call earlier ones."""

LISTED = 200
"""Pictures whose own figures the page holds, so that thousands do not make it too large to open."""


def write_page(results: Results, folder: Path, name: str = "report.html") -> Path:
    """Write the page of the results into the folder, and return its path.

    folder: of results.json; the pictures that the results name are read from there, and those missing are noted on
    the page. CannotWrite where the page cannot be written.
    """
    pictures = Pictures(folder)
    data = as_data(results, pictures)
    page = Template(_asset("page.html")).substitute(
        title=escape(results.data),
        summary=escape(_summary(results)),
        style=_asset("page.css"),
        table=_table(results.curves),
        notes=_notes([*results.notes, *pictures.notes()]),
        versions=escape(" · ".join(f"{key} {value}" for key, value in results.versions.items())),
        data=_json(data),
        pictures="\n".join(pictures.scripts),
        script="\n".join(_asset(script) for script in SCRIPTS),
    )
    path = folder / name
    atomic_write(path, page.encode())
    return path


class Pictures:
    """Collects the pictures that go into the page.

    scripts: one data block for each, which browsers neither decode nor show before the page's script asks for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scripts: list[str] = []
        self.missing: list[str] = []

    def add(self, file: str) -> str | None:
        """Return the id of a picture's data block; None where there is no file."""
        if not file:
            return None
        try:
            data = (self.folder / file).read_bytes()
        except OSError:
            self.missing.append(file)
            return None
        kind = mimetypes.guess_type(file)[0] or "image/webp"  # which older Pythons do not know
        block = f"picture-{len(self.scripts)}"
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self.scripts.append(f'<script type="text/plain" id="{block}">{uri}</script>')
        return block

    def notes(self) -> list[str]:
        """Return what to tell about missing files."""
        if not self.missing:
            return []
        count = "1 picture" if len(self.missing) == 1 else f"{len(self.missing)} pictures"
        return [f"{count} could not be read when this page was made, the first being {self.missing[0]}"]


def as_data(results: Results, pictures: Pictures) -> dict[str, Any]:
    """Return what the page's script reads; files are replaced by the ids of data blocks."""
    listed = {item.name for item in results.pictures[:LISTED]}
    return {
        "count": len(results.pictures),
        "pictures": [{**asdict(item), "file": pictures.add(item.file)} for item in results.pictures[:LISTED]],
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
    }


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
    record = {**asdict(item), "decoded": pictures.add(item.decoded)}
    del record["file"]
    return record


def _mean(values: Iterable[float]) -> float | None:
    items = list(values)
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
