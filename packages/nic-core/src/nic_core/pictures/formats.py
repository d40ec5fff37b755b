"""Formats of picture files: what their names end in, what their content begins with, and which are read here."""

from importlib.util import find_spec

from nic_core.errors import BadPicture

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
    ".jxl": "JXL",
    **dict.fromkeys((".ppm", ".pgm", ".pnm"), "PPM"),
}
"""The format that each suffix stands for, of those that are written."""

SUFFIXES = frozenset(FORMATS)
"""What the names of pictures end in that are written, in lower case."""

LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "JXL"})
"""The formats that take a quality."""

SUBSAMPLED = frozenset({"JPEG", "AVIF"})
"""The formats that take a chroma subsampling."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""The chroma subsamplings that can be written."""

NO_ALPHA = frozenset({"JPEG", "BMP", "PPM"})
"""The formats that hold no alpha."""

_READ = {
    **FORMATS,
    **dict.fromkeys((".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".apng",), "PNG"),
    **dict.fromkeys((".dib",), "BMP"),
    **dict.fromkeys((".gif",), "GIF"),
    **dict.fromkeys((".pbm",), "PPM"),
    **dict.fromkeys((".qoi",), "QOI"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIF"),
}
_PACKAGES = {
    "AVIF": ("PIL._avif", "pillow>=11.3"),
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
}
"""What formats take that not every Pillow reads: a module, and the package that brings it."""


def needed_package(format: str) -> str | None:
    """Return the package that reading and writing a format takes and that is not installed, None where none is."""
    module, package = _PACKAGES.get(format, ("PIL", ""))
    return None if find_spec(module) else package


READABLE_SUFFIXES = frozenset(suffix for suffix, format in _READ.items() if needed_package(format) is None)
"""What the names of pictures end in that are read here and now, in lower case."""


def missing_package(suffix: str) -> str | None:
    """Return the package that reading files of a suffix takes and that is not installed, None where none is known."""
    return needed_package(_READ.get(suffix.lower(), ""))


# What a file begins with. Not all that Pillow knows is read: for EPS it starts another program, and JPEG 2000 files
# cut short pass for whole.
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
    b"BM": "BMP",
    **{bytes([size, 0, 0, 0]): "DIB" for size in (12, 40, 52, 56, 64, 108, 124)},
    **{b"P%d%c" % (kind, space): "PPM" for kind in range(1, 7) for space in b" \t\r\n#"},
    b"qoif": "QOI",
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "JXL"),
}
_NOT_READ = {
    **dict.fromkeys((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"), "JPEG 2000"),
    **dict.fromkeys((b"%!PS", b"\xc5\xd0\xd3\xc6"), "PostScript"),
    b"%PDF": "PDF",
    b"8BPS": "Photoshop's format",
    b"gimp xcf": "GIMP's format",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"II\xbc\x01": "JPEG XR",
    b"\0\0\1\0": "ICO",
    b"icns": "ICNS",
    b"DDS ": "DDS",
    b"SIMPLE  =": "FITS",
    b"BPG\xfb": "BPG",
    b"FLIF": "FLIF",
    b"FUJIFILMCCD-RAW": "Fujifilm's raw format",
    b"<svg": "SVG",
    b"\x89NIC": "a .nic file, which 'nic decode' reads, so it",
}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIF"),
    b"crx ": "Canon's raw format",
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V "), "a video, which"),
}


def recognise(data: bytes) -> str | None:
    """Return the format that data begin like, as Pillow calls it, None for none that is known.

    BadPicture for a format that is known and not read, and for one that takes a package that is not installed.
    """
    format = _begins(data, _SIGNATURES) or _begins(data, _NOT_READ) or _brand(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        format = "WEBP"
    if format in _NOT_READ.values() or (format in _BRANDS.values() and format not in _PACKAGES):
        raise BadPicture(f"{format} is not read: convert it to PNG, TIFF or JPEG first")
    if format and (package := needed_package(format)):
        raise BadPicture(f"{format} is read with a package that is not installed: pip install {package!r}")
    return format


def _begins(data: bytes, signatures: dict[bytes, str]) -> str | None:
    return next((format for signature, format in signatures.items() if data.startswith(signature)), None)


def _brand(data: bytes) -> str | None:
    """Return the format by the brands of a file of boxes: its own, or one that it says it is compatible with."""
    if data[4:8] != b"ftyp":
        return None
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    found = [_BRANDS[brand] for at in range(0, len(brands), 4) if at != 4 and (brand := brands[at : at + 4]) in _BRANDS]
    return found[0] if found else "HEIF" if brands[:4] in (b"mif1", b"msf1") else None
