"""What a report holds, as frozen records, and the JSON file they travel in."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write

FORMAT = 1


@dataclass(frozen=True)
class Measurement:
    """One picture coded at one point.

    picture: name of the original, see `Results.pictures`. bytes: of the whole file.
    file: the coded file; decoded: a lossless picture of what it decodes to, kept for the page; both relative to the
        folder of results.json, empty where not kept.
    metrics: by name: "psnr" (dB), "ms-ssim", "lpips", "dists", "clip".
    encode_s, decode_s: wall time without start-up; peak_memory: bytes of the process that measured.
    """

    picture: str
    bytes: int
    bpp: float
    metrics: Mapping[str, float]
    encode_s: float
    decode_s: float
    peak_memory: int
    file: str = ""
    decoded: str = ""


@dataclass(frozen=True)
class Point:
    """One setting of a codec, measured on all pictures.

    label: what the page calls it, unique in its curve ("quality 50", "lambda 0.01").
    quality: 1 to 100 of nic's codecs, a baseline's own setting otherwise; None where there is none.
    bpp, metrics: means over the pictures; metrics also holds those of the whole set ("fid", "kid").
    """

    label: str
    quality: float | None
    bpp: float
    metrics: Mapping[str, float]
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Curve:
    """A codec's points, ordered by bpp.

    name: unique in a report. kind: "codec", "baseline", or "published" for figures that were not measured here.
    gmacs: multiply-accumulates of encoding and decoding one picture of the set's first size, in units of 1e9.
    source: where published figures come from; description: codec, weights fingerprint, version.
    """

    name: str
    kind: str
    points: tuple[Point, ...]
    description: str = ""
    gmacs: Mapping[str, float] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Original:
    """A picture of the set. file: a lossless copy kept for the page, relative to results.json; empty where not kept."""

    name: str
    width: int
    height: int
    file: str = ""


@dataclass(frozen=True)
class Difference:
    """Bjontegaard figures of a curve against an anchor, from one metric; None where the curves do not overlap.

    rate: percent, negative where the curve needs fewer bits. gain: in the metric's own unit (dB for "psnr").
    """

    curve: str
    anchor: str
    metric: str
    rate: float | None
    gain: float | None


@dataclass(frozen=True)
class Results:
    """A report. data: name of the folder of pictures; notes: what could not be measured, one line each."""

    data: str
    pictures: tuple[Original, ...]
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def write(results: Results, path: Path) -> None:
    """Write results.json.

    At its top level it is also a file of CompressAI's plot tool: "name" and "results" of the first curve.
    """
    first = next((curve for curve in results.curves if curve.points), None)
    record: dict[str, Any] = {"format": FORMAT, **(as_compressai(first) if first else {}), **asdict(results)}
    atomic_write(path, json.dumps(record, indent=1).encode())


def as_compressai(curve: Curve) -> dict[str, Any]:
    """Return a curve as CompressAI's tools write and plot it."""
    names = {"bpp": "bpp", "psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}
    rows = [{"bpp": point.bpp, **point.metrics} for point in curve.points]
    shared = [key for key in (rows[0] if rows else {}) if all(key in row for row in rows)]
    values = {names.get(key, key): [row[key] for row in rows] for key in shared}
    return {"name": curve.name, "description": curve.description, "results": values}


def read(path: Path) -> Results:
    """Return the results of a file; NicError where it is none."""
    try:
        record = json.loads(path.read_text())
        if record["format"] != FORMAT:
            raise NicError(f"{path} has format {record['format']}; this nic-eval reads {FORMAT}")
        return Results(
            record["data"],
            tuple(Original(**item) for item in record["pictures"]),
            tuple(_curve(item) for item in record["curves"]),
            tuple(Difference(**item) for item in record["differences"]),
            tuple(record["notes"]),
            record["versions"],
        )
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NicError(f"{path} is no results.json of nic eval") from error


def _curve(record: dict[str, Any]) -> Curve:
    return Curve(**{**record, "points": tuple(_point(item) for item in record["points"])})


def _point(record: dict[str, Any]) -> Point:
    return Point(**{**record, "measurements": tuple(Measurement(**item) for item in record["measurements"])})
