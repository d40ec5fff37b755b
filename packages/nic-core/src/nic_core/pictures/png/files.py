"""PNG files of any depth, with their metadata.

Pillow holds no 16-bit RGB, so files are taken apart and put together here. The header that was checked decides how much
is unpacked, whatever a file holds.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.content import Content
from nic_core.pictures.dpi import sound_dpi
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.png import chunks as png_chunks
from nic_core.pictures.png import filters as png_filters
from nic_core.pictures.png.chunks import (
    PALETTE,
    SAMPLES,
    SIGNATURE,
    Chunks,
    Header,
    chunk,
    header,
)
from nic_core.pictures.png.inflated import MOST_GROWTH, Inflated
from nic_core.pictures.strips import Pixels, Strips, mapped, split_alpha

__all__ = ["Header", "decode", "encode", "header", "rows", "save"]

_LARGEST_SIDE = 1_000_000  # as in libpng, so that no other program refuses what is read here
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_LARGEST_METADATA = 64 << 20  # what a compressed chunk may expand to
_LONGEST_DATA = 1 << 20  # of a chunk that is written; its length must fit 31 bits
_INCH = 0.0254  # in metres, of which PNG counts the pixels

OnFrames = Callable[[int], None]
"""Called with the number of frames that an animated file states; the still picture is read."""


def decode(content: Content, on_frames: OnFrames = lambda frames: None) -> Picture:
    """Read a PNG file; a transparent colour becomes alpha, a palette RGB. BadPicture or another error if damaged.

    Memory and time are bounded by the size that `header` returns, and by the length of the content.
    """
    head, chunks, colours = _checked(content)
    samples = _interlaced(content, head, chunks) if head.interlaced else np.asarray(_strips(content, head, chunks))
    return _picture(head, chunks, colours, samples, on_frames).whole()


def rows(content: Content, on_frames: OnFrames = lambda frames: None) -> RowPicture:
    """Read a PNG file as `decode` does, but its pixels when they are asked for: those may raise the same errors.

    An interlaced file, of which the last row is needed for the second, is read as a whole.
    """
    head, chunks, colours = _checked(content)
    if head.interlaced:
        return decode(content, on_frames)
    return _picture(head, chunks, colours, _strips(content, head, chunks), on_frames)


def encode(picture: RowPicture) -> bytes:
    """Return a PNG file with the picture's depth, alpha and metadata."""
    file = io.BytesIO()
    save(picture, file)
    return file.getvalue()


def save(picture: RowPicture, file: BinaryIO) -> None:
    """Write a PNG file with the picture's depth, alpha and metadata, some rows at a time."""
    colour = {samples: colour for colour, samples in SAMPLES.items() if colour != PALETTE}[picture.samples]
    head = struct.pack(">IIBBBBB", picture.width, picture.height, picture.bit_depth, colour, 0, 0, 0)
    file.write(SIGNATURE + chunk(b"IHDR", head))
    if picture.icc:
        file.write(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)))
    if picture.exif:
        file.write(chunk(b"eXIf", picture.exif))
    if picture.xmp:
        file.write(chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + picture.xmp))
    if picture.dpi:
        file.write(chunk(b"pHYs", struct.pack(">IIB", *(round(value / _INCH) for value in picture.dpi), 1)))
    packed = bytearray()
    for part in _packed(picture):
        packed += part
        while len(packed) >= _LONGEST_DATA:
            file.write(chunk(b"IDAT", bytes(packed[:_LONGEST_DATA])))
            del packed[:_LONGEST_DATA]
    if packed:
        file.write(chunk(b"IDAT", bytes(packed)))
    file.write(chunk(b"IEND", b""))


def _packed(picture: RowPicture) -> Iterator[bytes]:
    """Yield the zlib stream of a picture's pixels."""
    band = png_filters.band(picture.width * picture.samples * picture.bit_depth // 8)
    deflate, above = zlib.compressobj(), None
    for first in range(0, picture.height, band):
        part = picture.rows(first, min(first + band, picture.height))
        yield deflate.compress(png_filters.applied(part, above).data)
        above = part[-1]
    yield deflate.flush()


def _checked(content: Content) -> tuple[Header, Chunks, tuple[bytes, bytes]]:
    """Return the header, the chunks and the palette; BadPicture before anything is allocated for pixels."""
    head = header(content)
    chunks = png_chunks.read(content)
    if max(head.width, head.height) > _LARGEST_SIDE:
        raise BadPicture(f"too large: {head.width} x {head.height}, and no side may exceed {_LARGEST_SIDE} pixels")
    colours = png_chunks.palette(head, chunks)
    if head.size > MOST_GROWTH * sum(end - start for start, end in chunks.data):
        raise BadPicture("the file is cut short")
    return head, chunks, colours


def _picture(
    head: Header, chunks: Chunks, colours: tuple[bytes, bytes], samples: Pixels, on_frames: OnFrames
) -> RowPicture:
    """Return what a file holds, given its samples as they are stored, (H, W, samples of a pixel)."""
    pixels, alpha = _pixels(head, *colours, samples)
    icc = exif = xmp = dpi = None
    for kind, body in chunks.others:
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
        elif kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            across, down, _ = struct.unpack(">IIB", body)
            dpi = sound_dpi(across * _INCH, down * _INCH)
        elif kind == b"acTL" and len(body) == 8:
            on_frames(int.from_bytes(body[:4], "big"))
    return RowPicture(pixels, alpha, icc, exif, xmp, dpi or metadata.resolution(exif))


def _pixels(head: Header, palette: bytes, transparent: bytes, samples: Pixels) -> tuple[Pixels, Pixels | None]:
    """Return pixels and alpha of samples as they are stored."""
    if head.colour == PALETTE:
        colours, opacity = np.zeros((256, 3), np.uint8), np.full(256, 255, np.uint8)  # black beyond its end
        colours[: len(palette) // 3] = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        opacity[: len(transparent)] = np.frombuffer(transparent, np.uint8)
        alpha = mapped(samples, lambda index: opacity[index[..., 0]]) if transparent else None
        return mapped(samples, lambda index: colours[index[..., 0]]), alpha
    most, full = (1 << head.depth) - 1, np.iinfo(samples.dtype).max
    if transparent:
        colour = np.frombuffer(transparent, ">u2") & most  # only so many of the 16 bits count
        alpha = mapped(samples, lambda part: np.where((part == colour).all(axis=2), 0, full).astype(part.dtype))
    else:
        samples, alpha = split_alpha(samples)
    return samples if most == full else mapped(samples, lambda part: part * part.dtype.type(full // most)), alpha


def _strips(content: Content, head: Header, chunks: Chunks) -> Strips:
    """Return the samples of a file that is not interlaced."""

    def made() -> Iterator[np.ndarray]:
        inflated = Inflated(chunks.packed(content))
        return _samples(inflated, head, head.width, head.height, last=True)

    return Strips((head.height, head.width, SAMPLES[head.colour]), _type(head), made)


def _interlaced(content: Content, head: Header, chunks: Chunks) -> np.ndarray:
    """Return the samples of an interlaced file."""
    whole: np.ndarray = np.empty((head.height, head.width, SAMPLES[head.colour]), _type(head))
    inflated = Inflated(chunks.packed(content))
    for column, row, across, down, width, height in head.passes():
        part, first = whole[row::down, column::across], 0
        for samples in _samples(inflated, head, width, height, last=False):
            part[first : first + len(samples)] = samples
            first += len(samples)
    inflated.check()
    return whole


def _samples(inflated: Inflated, head: Header, width: int, height: int, last: bool) -> Iterator[np.ndarray]:
    """Yield the samples of a picture in a stream, (h, W, samples of a pixel); last: of those in the stream."""
    stride, count = head.stride(width), SAMPLES[head.colour]
    band = png_filters.band(stride)

    def filtered() -> Iterator[np.ndarray]:
        for first in range(0, height, band):
            rows = min(band, height - first)
            part = np.frombuffer(inflated.take(rows * stride), np.uint8).reshape(rows, stride)
            if last and first + rows == height:
                inflated.check()  # here, as nobody asks for what comes after the last rows
            yield part

    for plain in png_filters.undone(filtered(), head.step):
        yield _values(plain, head.depth)[:, : width * count].reshape(-1, width, count)


def _type(head: Header) -> type:
    return np.uint16 if head.depth == 16 else np.uint8


def _values(rows: np.ndarray, depth: int) -> np.ndarray:
    """Return rows of bytes as rows of numbers of so many bits, with those that fill up the last byte."""
    if depth == 16:
        return rows.view(">u2").astype(np.uint16)
    if depth == 8:
        return rows
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    return (rows[..., None] >> shifts & ((1 << depth) - 1)).reshape(len(rows), -1)


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
