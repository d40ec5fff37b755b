"""EXIF blocks: their orientation and resolution, and carrying them over from and to the tags of a TIFF file.

Tags are dicts here, from number to value, in which the EXIF and the GPS directory are dicts of their own.
nic holds EXIF as the bare block, a small TIFF structure that begins with "II" or "MM". JPEG and Pillow put the six
bytes of `EXIF_PREFIX` before it.
"""

import re
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from nic_core.pictures.dpi import same_dpi, sound_dpi

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION = 274
POINTERS = (34665, 34853)  # the EXIF and the GPS directory
XMP = 700
ICC = 34675
_INTEROPERABILITY = 40965  # a directory within the EXIF directory

# What of a TIFF file's own tags is about the picture and not about how its pixels are stored.
_RESOLUTION = _ACROSS, _DOWN, _UNIT = 282, 283, 296
_DESCRIPTIVE = (
    *(270, 271, 272, ORIENTATION),  # description, maker, model
    *_RESOLUTION,
    *(305, 306, 315, 316, 33432),  # software, date, artist, computer, copyright
    *(18246, 18249, *range(40091, 40096)),  # rating, and the title, comment, author, keywords, subject of Windows
    *POINTERS,
)
# The reverse: what of an EXIF block would contradict the file that it is written into.
_STORAGE = {
    *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, *range(322, 326)),
    *(330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 347, *range(512, 533), XMP, ICC),
}


def bare_exif(exif: bytes | None) -> bytes | None:
    """Return an EXIF block without its prefix; None for an empty one."""
    while exif and exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    return exif or None


def orientation(exif: bytes | None) -> int:
    """Return the orientation that an EXIF block states: 1 (upright) to 8; 1 where it states none that is valid."""
    try:
        value = _parse(exif).get(ORIENTATION, 1)
    except Exception:  # a damaged block; cameras and editors write many
        return 1
    return value if value in range(1, 9) else 1


def upright_exif(exif: bytes) -> bytes | None:
    """Return an EXIF block without its orientation; None where nothing is left, or the block cannot be rewritten."""
    try:
        parsed = _parse(exif)
        parsed.pop(ORIENTATION, None)
        return bare_exif(parsed.tobytes()) if parsed else None
    except Exception:  # as above
        return None


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """Return an XMP packet that states no other orientation than upright."""
    return xmp and re.sub(rb"""(tiff:Orientation(?:>|=["']))[2-8]""", rb"\g<1>1", xmp)


def resolution(exif: bytes | dict | None) -> tuple[float, float] | None:
    """Return the pixels per inch that an EXIF block or the tags of a TIFF file state; None where they state none."""
    try:
        tags = exif if isinstance(exif, dict) else _parse(exif)
        unit = {2: 1.0, 3: 2.54}[tags.get(_UNIT, 2)]
        return sound_dpi(float(tags[_ACROSS]) * unit, float(tags[_DOWN]) * unit)
    except Exception:  # a damaged block, as above
        return None


def is_resolution_only(exif: bytes | None) -> bool:
    """Return whether an EXIF block states a resolution and nothing else."""
    try:
        return bool(tags := set(_parse(exif))) and tags <= set(_RESOLUTION)
    except Exception:  # a damaged block, as above
        return False


def exif_with_resolution(exif: bytes | None, dpi: tuple[float, float] | None) -> bytes | None:
    """Return an EXIF block that states a resolution, for files that have no other place for it."""
    if dpi is None or same_dpi(dpi, resolution(exif)):
        return exif
    try:
        parsed = _parse(exif)
        parsed[_ACROSS], parsed[_DOWN], parsed[_UNIT] = *dpi, 2
        return bare_exif(parsed.tobytes())
    except Exception:  # a block that cannot be rewritten
        return exif


def tags_of_exif(exif: bytes | Image.Exif | None) -> dict:
    """Return the tags of an EXIF block, as bytes or as Pillow parsed it."""
    parsed = exif if isinstance(exif, Image.Exif) else _parse(exif)
    tags = dict(parsed)
    for pointer in POINTERS:
        if pointer in tags:
            tags[pointer] = dict(parsed.get_ifd(pointer))
    if _INTEROPERABILITY in tags.get(POINTERS[0], {}):
        tags[POINTERS[0]][_INTEROPERABILITY] = dict(parsed.get_ifd(_INTEROPERABILITY))
    return tags


def tags_of_tiff(file: BinaryIO) -> dict:
    """Return the tags of a TIFF file's first page."""
    head = file.read(8)
    if head[2:4] in (b"+\0", b"\0+"):
        head += file.read(8)
    tags = _directory(file, head, TiffImagePlugin.ImageFileDirectory_v2(head).next, None)
    for pointer in POINTERS:
        if pointer in tags:
            tags[pointer] = _directory(file, head, tags[pointer], pointer)
            tags[pointer].pop(_INTEROPERABILITY, None)  # a position in this file
    return tags


def exif_from_tags(tags: dict) -> bytes | None:
    """Return an EXIF block with those tags of a TIFF file that describe the picture; None where there are none.

    A resolution alone, which most programs write without knowing any, does not count.
    """
    for wanted in (_DESCRIPTIVE, (ORIENTATION,)):
        exif = Image.Exif()
        for tag in wanted:
            if tag in tags:
                exif[tag] = tags[tag]
        if set(exif) <= set(_RESOLUTION):
            return None
        try:
            return bare_exif(exif.tobytes())
        except Exception:  # a value that is not of its tag's type: keep at least which side is up
            continue
    return None


def tags_for_tiff(exif: bytes | None) -> dict:
    """Return what of an EXIF block goes into a TIFF file as tags."""
    return {tag: value for tag, value in tags_of_exif(exif).items() if tag not in _STORAGE}


def tags_of_resolution(dpi: tuple[float, float]) -> dict:
    """Return the tags of a TIFF file that state pixels per inch."""
    return dict(zip(_RESOLUTION, (*dpi, 2), strict=True))


def _parse(exif: bytes | None) -> Image.Exif:
    parsed = Image.Exif()
    parsed.load(exif or b"")
    return parsed


def _directory(file: BinaryIO, head: bytes, position: int, group: int | None) -> dict:
    directory = TiffImagePlugin.ImageFileDirectory_v2(head, group=group)
    file.seek(position)
    directory.load(file)
    return dict(directory)
