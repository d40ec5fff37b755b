"""The pictures that the page compares: lossless copies of a few originals and of what the codecs make of them."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from rich.console import Console
from rich.progress import Progress

from nic_eval.results import Curve, Measurement, Results

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

    For each rate (bpp), each curve gives the measurement that is nearest on that very picture. Copies are lossless
    WebP, upright, with the original's colour profile; those that an earlier run made of the same files are kept.

    folder: of results.json. originals: their files, by name. What cannot be read or decoded becomes a note.
    """
    make_folder(folder / FOLDER)
    names = [item.name for item in results.pictures[:count] if item.name in originals]
    chosen = [(curve, item) for curve in results.curves for name in names for item in nearest(curve, name, rates)]
    sources: dict[str, Picture] = {}
    copies: dict[str, str] = {}  # of an original by its name, of a decoded picture by its coded file
    notes = list(results.notes)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("pictures for the page", total=len(names) + len(chosen))
        for name in names:
            try:
                picture = image_files.read(originals[name])
                copies[name] = _copy_original(folder, name, picture, originals[name].read_bytes())
                sources[name] = picture
            except (NicError, OSError) as error:
                notes.append(f"{name} is not among the page's pictures: {error}")
            progress.advance(task)
        for curve, item in chosen:
            try:
                if item.picture in sources:
                    copies[item.file] = _copy_decoded(folder, curve, item, sources[item.picture], decode)
            except (NicError, OSError) as error:
                notes.append(f"{item.picture} by {curve.name} is not among the page's pictures: {error}")
            progress.advance(task)
    return replace(
        results,
        pictures=tuple(replace(item, file=copies.get(item.name, item.file)) for item in results.pictures),
        curves=tuple(_with_copies(curve, copies) for curve in results.curves),
        notes=tuple(notes),
    )


def nearest(curve: Curve, picture: str, rates: Sequence[float]) -> list[Measurement]:
    """Return the curve's measurements of a picture that are nearest to the rates (bpp), each once, lowest rate first.

    Only those whose coded files were kept.
    """
    found = [item for point in curve.points for item in point.measurements if item.picture == picture and item.file]
    places = {min(range(len(found)), key=lambda place: abs(found[place].bpp - rate)) for rate in rates if found}
    return sorted((found[place] for place in places), key=lambda item: item.bpp)


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
