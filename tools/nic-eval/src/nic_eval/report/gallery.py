"""The pictures that the page compares: lossless copies of a few originals and of what the codecs make of them."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from rich.console import Console

from nic_eval.results import Curve, Measurement, Results
from nic_eval.terminal import progress

LARGEST = 1024
"""Pixels that a copy has at most on each side; of larger pictures the middle is kept, so that the page stays usable."""

FOLDER = "pictures"
"""Where the copies are, beside results.json."""

Decode = Callable[[str, Path], np.ndarray]
"""A curve's name and a coded file -> uint8 (H, W, 3)."""


def add(
    results: Results,
    folder: Path,
    originals: Mapping[str, Path],
    decode: Decode,
    rates: Sequence[float] = (0.25, 0.5, 1.0),
    count: int = 6,
) -> Results:
    """Return the results with copies of their first `count` pictures, written to folder/pictures.

    For each rate (bpp) there is a copy of each curve, see `matching`. Copies are lossless WebP, upright, with the
    original's colour profile; those that an earlier run made of the same files are kept.

    folder: of results.json. originals: their files, by name. What cannot be read or decoded becomes a note.
    """
    make_folder(folder / FOLDER)
    names = [item.name for item in results.pictures[:count] if item.name in originals]
    chosen = [pair for name in names for pair in matching(results.curves, name, rates)]
    sources: dict[str, Picture] = {}
    copies: dict[str, str] = {}  # of an original by its name, of a decoded picture by its coded file
    notes = list(results.notes)
    with progress(Console(stderr=True), "pictures for the page", len(names) + len(chosen)) as advance:
        for name in names:
            try:
                picture = image_files.read(originals[name])
                copies[name] = _copy_original(folder, name, picture, originals[name].read_bytes())
                sources[name] = picture
            except (NicError, OSError) as error:
                notes.append(f"{name} is not among the page's pictures: {error}")
            advance(name)
        for curve, item in chosen:
            try:
                if item.picture in sources:
                    copies[item.file] = _copy_decoded(folder, curve, item, sources[item.picture], decode)
            except (NicError, OSError) as error:
                notes.append(f"{item.picture} by {curve.name} is not among the page's pictures: {error}")
            advance(item.picture)
    return replace(
        results,
        pictures=tuple(replace(item, file=copies.get(item.name, item.file)) for item in results.pictures),
        curves=tuple(_with_copies(curve, copies) for curve in results.curves),
        notes=tuple(notes),
    )


def matching(curves: Sequence[Curve], picture: str, rates: Sequence[float]) -> list[tuple[Curve, Measurement]]:
    """Return measurements of a picture that can be compared, about one for each rate (bpp) and curve.

    The first codec, or else the first curve, leads: for each rate its measurement that is near to it and that the
    other curves come near to; of each other curve the one nearest to that. Only those whose coded files were kept.
    """
    kept = [(curve, found) for curve in curves if (found := _kept(curve, picture))]
    if not kept:
        return []
    lead, own = next((pair for pair in kept if pair[0].kind == "codec"), kept[0])
    others = [found for curve, found in kept if curve is not lead]

    def fit(rate: float, item: Measurement) -> float:
        return _apart(item.bpp, rate) + sum(_apart(_nearest(found, item.bpp).bpp, item.bpp) for found in others)

    leading = [min(own, key=partial(fit, rate)) for rate in rates]
    chosen = [(curve, _nearest(found, item.bpp)) for curve, found in kept for item in leading]
    unique = {(curve.name, item.file): (curve, item) for curve, item in chosen}
    return sorted(unique.values(), key=lambda pair: (pair[0].name, pair[1].bpp))


def _kept(curve: Curve, picture: str) -> list[Measurement]:
    return [item for point in curve.points for item in point.measurements if item.picture == picture and item.file]


def _nearest(found: Sequence[Measurement], bpp: float) -> Measurement:
    return min(found, key=lambda item: _apart(item.bpp, bpp))


def _apart(rate: float, other: float) -> float:
    return abs(math.log(rate / other))


def _copy_original(folder: Path, name: str, picture: Picture, data: bytes) -> str:
    path = f"{FOLDER}/{_slug(name)}-{_digest(data)}.webp"
    if not (folder / path).exists():
        _write(folder / path, picture.to_8_bit().pixels, picture)
    return path


def _copy_decoded(folder: Path, curve: Curve, item: Measurement, source: Picture, decode: Decode) -> str:
    coded = folder / item.file
    # The description names weights and version: the same file may decode to something else with other ones.
    digest = _digest(coded.read_bytes(), curve.name.encode(), curve.description.encode())
    path = f"{FOLDER}/{_slug(item.picture)}-{_slug(curve.name)}-{digest}.webp"
    if not (folder / path).exists():
        pixels = decode(curve.name, coded)
        if pixels.shape[:2] != source.pixels.shape[:2]:
            raise BadPicture(f"{coded.name} decodes to another size than the original's")
        _write(folder / path, pixels, source)
    return path


def _write(path: Path, pixels: np.ndarray, source: Picture) -> None:
    """Write pixels as the source is to be seen: upright, in its colours; neither EXIF nor alpha, which codecs keep."""
    upright = Picture(pixels, exif=source.exif).stripped().pixels
    top, left = (max(0, side - LARGEST) // 2 for side in upright.shape[:2])
    middle = upright[top : top + LARGEST, left : left + LARGEST]
    rgb = np.repeat(middle, 3, axis=2) if middle.shape[2] == 1 else middle
    icc = source.icc if source.channels == 3 else None  # a profile for gray does not fit RGB
    atomic_write(path, image_files.encode(Picture(rgb, icc=icc), "WEBP"))


def _with_copies(curve: Curve, copies: Mapping[str, str]) -> Curve:
    points = []
    for point in curve.points:
        items = (replace(item, decoded=copies.get(item.file, item.decoded)) for item in point.measurements)
        points.append(replace(point, measurements=tuple(items)))
    return replace(curve, points=tuple(points))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
