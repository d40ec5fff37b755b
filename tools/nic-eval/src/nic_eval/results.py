"""What a report holds, as frozen records, and the JSON file they travel in."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.files.json_files import read_json

from nic_eval.files import file_below

FORMAT = 1

ESTIMATED = " (estimated)"
"""What the names of curves end in whose rates were estimated, not measured."""

Kind = Literal["codec", "baseline", "published"]
"""What a curve is of; "published" figures were not measured here."""


@dataclass(frozen=True)
class Measurement:
    """One picture coded at one point.

    picture: name of the original, see `Results.pictures`. bytes: of the whole file.
    file: the coded file; decoded: a lossless picture of what it decodes to, kept for the page; both relative to the
        folder of results.json, empty where not kept.
    metrics: by name, see `nic_eval.metrics.catalogue`; "psnr" in dB.
    encode_s, decode_s: wall time without start-up, None where nothing was coded; peak_memory: bytes of the process
        that measured, 0 where nobody knows.
    """

    picture: str
    bytes: int
    bpp: float
    metrics: Mapping[str, float]
    encode_s: float | None
    decode_s: float | None
    peak_memory: int
    file: str = ""
    decoded: str = ""


@dataclass(frozen=True)
class Point:
    """One setting of a codec, measured on all pictures.

    label: what the page calls it, unique in its curve ("quality 50", "lambda 0.01").
    quality: 1 to 100 of nic's codecs, a baseline's own setting otherwise; None where there is none.
    bpp, metrics: means over the pictures; a metric's over those that are large enough for
        it. metrics also holds those of the whole set ("fid", "kid").
    """

    label: str
    quality: float | None
    bpp: float
    metrics: Mapping[str, float]
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Curve:
    """A codec's points, ordered by bpp.

    name: unique in a report.
    gmacs: multiply-accumulates of encoding and decoding one picture of the set's first size, in units of 1e9.
    source: where published figures come from; description: codec, weights fingerprint, version.
    """

    name: str
    kind: Kind
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
    doubt: why the two cannot be compared, such as other pictures; empty where they can.
    """

    curve: str
    anchor: str
    metric: str
    rate: float | None
    gain: float | None
    doubt: str = ""


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
    """Write results.json, without figures that are not finite: JSON has none.

    At its top level it is also a file of CompressAI's plot tool: "name" and "results" of the first curve.
    """
    first = next((curve for curve in results.curves if curve.points), None)
    record: dict[str, Any] = {"format": FORMAT, **(as_compressai(first) if first else {}), **asdict(results)}
    atomic_write(path, json.dumps(_finite(record), indent=1, allow_nan=False).encode())


def _finite(data: Any) -> Any:
    """Return a record without the entries that are infinite or no number."""
    if isinstance(data, Mapping):
        kept = {key: value for key, value in data.items() if not isinstance(value, float) or math.isfinite(value)}
        return {key: _finite(value) for key, value in kept.items()}
    return [_finite(value) for value in data] if isinstance(data, (list, tuple)) else data


def as_compressai(curve: Curve) -> dict[str, Any]:
    """Return a curve as CompressAI's tools write and plot it."""
    names = {"bpp": "bpp", "psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}
    rows = [_finite({"bpp": point.bpp, **point.metrics}) for point in curve.points]
    shared = [key for key in (rows[0] if rows else {}) if all(key in row for row in rows)]
    values = {names.get(key, key): [row[key] for row in rows] for key in shared}
    return {"name": curve.name, "description": curve.description, "results": values}


def read(path: Path) -> Results:
    """Return the results of a file, which may come from anyone.

    NicError where it is none, holds figures that nothing can have, or names a file that is not below its folder.
    """
    try:
        record = read_json(path)
        if record.get("format", FORMAT) != FORMAT:
            raise NicError(f"{path} has format {record['format']!r}; this nic-eval reads {FORMAT}")
        json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair cannot be written anywhere
        results = msgspec.convert(record, Results)
        _check(results)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise NicError(f"{path} is no results.json of nic eval: {error}") from error
    for name in _files(results):
        file_below(path.parent, name)
    return results


def _check(results: Results) -> None:
    """Raise ValueError, saying what is wrong, for results that fit the records and cannot be."""
    sizes = {picture.name: picture for picture in results.pictures}
    for curve in results.curves:
        for point in curve.points:
            if not 0 < point.bpp < math.inf:
                raise ValueError(f"{curve.name}, {point.label} has {point.bpp} bpp")
            for item in point.measurements:
                if item.picture not in sizes:
                    raise ValueError(f"{curve.name}, {point.label} has a picture {item.picture!r} that is not listed")
                times = (item.encode_s or 0.0, item.decode_s or 0.0)
                if not (0 < item.bpp < math.inf and all(map(math.isfinite, times))):
                    raise ValueError(f"{curve.name}, {point.label} has no finite rate or times for {item.picture}")


def _files(results: Results) -> Iterator[str]:
    items = [item for curve in results.curves for point in curve.points for item in point.measurements]
    names = [
        *(picture.file for picture in results.pictures),
        *(name for item in items for name in (item.file, item.decoded)),
    ]
    return (name for name in names if name)
