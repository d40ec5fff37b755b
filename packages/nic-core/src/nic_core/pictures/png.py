"""PNG files of any depth, with their metadata. Pixels go through libpng, since Pillow holds no 16-bit RGB."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(SIGNATURE) + 25  # after the chunk IHDR
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_LARGEST_METADATA = 64 << 20  # what a compressed chunk may expand to


def size(data: bytes) -> tuple[int, int]:
    """Return (width, height) as the header states them."""
    if len(data) < _HEADER_END:
        raise BadPicture("the file is cut short")
    return struct.unpack_from(">II", data, 16)


def decode(data: bytes) -> Picture:
    """Read a PNG file; a transparent colour becomes alpha, a palette RGB. BadPicture or libpng's error if damaged."""
    import imagecodecs  # here, as `nic` must start fast

    chunks = list(_chunks(data))
    # libpng sees only what decides the pixels: it prints its complaints about profiles to the terminal.
    essential = [chunk for kind, chunk in chunks if kind[:1].isupper() or kind == b"tRNS"]
    picture = Picture.of(np.asarray(imagecodecs.png_decode(SIGNATURE + b"".join(essential))))
    icc = exif = xmp = None
    for kind, chunk in chunks:
        body = chunk[8:-4]
        if kind[:1].isupper() or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            continue
        if kind == b"iCCP":
            icc = _inflate(body.partition(b"\0")[2][1:])
        elif kind == b"eXIf":
            exif = metadata.bare_exif(body)
        elif kind == b"iTXt" and body.startswith(_XMP_KEYWORD + b"\0"):
            xmp = _international_text(body[len(_XMP_KEYWORD) + 1 :])
        elif kind in (b"tEXt", b"zTXt"):
            keyword, _, text = body.partition(b"\0")
            if keyword in (b"Raw profile type exif", b"Raw profile type APP1") and exif is None:
                exif = _raw_profile(text if kind == b"tEXt" else _inflate(text[1:]))
    return Picture(picture.pixels, picture.alpha, icc, exif, xmp)


def encode(picture: Picture) -> bytes:
    """Write a PNG file with the picture's depth, alpha and metadata."""
    import imagecodecs

    data = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture.to_array())))
    extra = b""
    if picture.icc:
        extra += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc))
    if picture.exif:
        extra += _chunk(b"eXIf", picture.exif)
    if picture.xmp:
        extra += _chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + picture.xmp)
    return data[:_HEADER_END] + extra + data[_HEADER_END:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, chunk) up to the last chunk; BadPicture if the file ends before."""
    position = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise BadPicture("the file is cut short")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise BadPicture("the file is cut short")
        yield kind, data[position:end]
        position = end


def _inflate(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, _LARGEST_METADATA) or None
    except zlib.error:
        return None


def _international_text(body: bytes) -> bytes | None:
    """Return the text of an iTXt chunk, given what follows its keyword."""
    compressed = body[:1] == b"\1"
    text = body[2:].split(b"\0", 2)[-1]  # after a language tag and a translated keyword
    return _inflate(text) if compressed else text or None


def _raw_profile(text: bytes | None) -> bytes | None:
    """Return the EXIF block in ImageMagick's older notation: a name, a length, and hexadecimal digits in lines."""
    try:
        _, _, digits = (text or b"").strip().split(b"\n", 2)
        exif = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
    return metadata.bare_exif(exif) if exif.startswith((metadata.EXIF_PREFIX, b"II", b"MM")) else None
