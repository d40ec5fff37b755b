"""PNG files of any depth, with their metadata.

Pillow holds no 16-bit RGB, so files are taken apart and put together here. The header that was checked decides how much
is unpacked, whatever a file holds.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata, png_filters
from nic_core.pictures.dpi import sound_dpi
from nic_core.pictures.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(SIGNATURE) + 25  # after the chunk IHDR
_LARGEST_SIDE = 1_000_000  # as in libpng, so that no other program refuses what is read here
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_LARGEST_METADATA = 64 << 20  # what a compressed chunk may expand to
_LONGEST_DATA = 1 << 20  # of a chunk that is written; its length must fit 31 bits
_INCH = 0.0254  # in metres, of which PNG counts the pixels

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {_GRAY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GRAY_ALPHA: (8, 16), _RGB_ALPHA: (8, 16)}
_SAMPLES = {_GRAY: 1, _RGB: 3, _PALETTE: 1, _GRAY_ALPHA: 2, _RGB_ALPHA: 4}

# First column and row, and steps between columns and rows, of the seven pictures that an interlaced file consists of.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class Header:
    """What the chunk IHDR states: pixels, bits a sample, PNG's number of the colour type, and whether interlaced."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def is_gray(self) -> bool:
        """Whether the file has one channel, which is not an index into a palette, and no alpha."""
        return self.colour == _GRAY


def header(data: bytes) -> Header:
    """Return what the header of a PNG file states; BadPicture where the file does not begin with a valid one."""
    if len(data) < _HEADER_END:
        raise BadPicture("the file is cut short")
    length, kind, width, height, depth, colour, method, filters, interlace, crc = struct.unpack_from(
        ">I4sIIBBBBBI", data, len(SIGNATURE)
    )
    if not data.startswith(SIGNATURE) or kind != b"IHDR" or length != 13:
        raise BadPicture("the file is damaged: it does not begin with its header")
    if crc != zlib.crc32(data[12 : _HEADER_END - 4]):
        raise BadPicture("the file is damaged: its header does not match its checksum")
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise BadPicture(f"the file is damaged: a size of {width} x {height}")
    if depth not in _DEPTHS.get(colour, ()) or method or filters or interlace > 1:
        raise BadPicture("the file is damaged: its header states no kind of PNG that there is")
    return Header(width, height, depth, colour, interlace == 1)


def decode(data: bytes, on_frames: Callable[[int], None] = lambda frames: None) -> Picture:
    """Read a PNG file; a transparent colour becomes alpha, a palette RGB. BadPicture or Pillow's error if damaged.

    on_frames: called with the number of frames that an animated file states; the still picture is read.
    Memory and time are bounded by the size that `header` returns, and by the length of the data.
    """
    head = header(data)
    chunks = list(_chunks(data))
    picture = _pixels(head, chunks)
    icc = exif = xmp = dpi = None
    for kind, body in chunks:
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
    return Picture(picture.pixels, picture.alpha, icc, exif, xmp, dpi or metadata.resolution(exif))


def encode(picture: Picture) -> bytes:
    """Write a PNG file with the picture's depth, alpha and metadata."""
    array = picture.to_array().reshape(picture.height, picture.width, -1)
    colour = {samples: colour for colour, samples in _SAMPLES.items() if colour != _PALETTE}[array.shape[2]]
    head = struct.pack(">IIBBBBB", picture.width, picture.height, picture.bit_depth, colour, 0, 0, 0)
    chunks: list[tuple[bytes, bytes | memoryview]] = [(b"IHDR", head)]
    if picture.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)))
    if picture.exif:
        chunks.append((b"eXIf", picture.exif))
    if picture.xmp:
        chunks.append((b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + picture.xmp))
    if picture.dpi:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(value / _INCH) for value in picture.dpi), 1)))
    deflate = zlib.compressobj()
    rows = [deflate.compress(part.data) for part in png_filters.applied(array)]
    packed = memoryview(b"".join([*rows, deflate.flush()]))
    chunks += [(b"IDAT", packed[at : at + _LONGEST_DATA]) for at in range(0, len(packed), _LONGEST_DATA)]
    chunks.append((b"IEND", b""))
    return b"".join((SIGNATURE, *(part for kind, body in chunks for part in _chunk(kind, body))))


def _chunk(kind: bytes, body: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    """Return a chunk in parts, so that long ones are copied once."""
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) of the chunks between the header and the end.

    Those that a reader may skip are left out where they are damaged; BadPicture for others.
    """
    position, kind = _HEADER_END, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise BadPicture("the file is cut short")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise BadPicture("the file is cut short")
        body = data[position + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) == int.from_bytes(data[end - 4 : end], "big"):
            yield kind, body
        elif not kind.isalpha() or kind[:1].isupper():
            raise BadPicture(f"the file is damaged: its chunk {_name(kind)} does not match its checksum")
        position = end


def _pixels(head: Header, chunks: list[tuple[bytes, bytes]]) -> Picture:
    if max(head.width, head.height) > _LARGEST_SIDE:
        raise BadPicture(f"too large: {head.width} x {head.height}, and no side may exceed {_LARGEST_SIDE} pixels")
    palette, transparent = _palette(head, chunks)
    samples = _samples(head, np.frombuffer(_rows(head, chunks), np.uint8))
    if head.colour == _PALETTE:
        colours, opacity = np.zeros((256, 3), np.uint8), np.full(256, 255, np.uint8)  # black beyond its end
        colours[: len(palette) // 3] = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        opacity[: len(transparent)] = np.frombuffer(transparent, np.uint8)
        index = samples[..., 0]
        return Picture(colours[index], opacity[index] if transparent else None)
    most, full = (1 << head.depth) - 1, np.iinfo(samples.dtype).max
    alpha = None
    if transparent:
        colour = np.frombuffer(transparent, ">u2") & most  # only so many of the 16 bits count
        alpha = np.where((samples == colour).all(axis=2), 0, full).astype(samples.dtype)
    elif head.colour in (_GRAY_ALPHA, _RGB_ALPHA):
        samples, alpha = samples[..., :-1], samples[..., -1]
    return Picture(samples if most == full else samples * samples.dtype.type(full // most), alpha)


def _samples(head: Header, filtered: np.ndarray) -> np.ndarray:
    """Return all samples as they are stored: uint8, or uint16 at 16 bits, (H, W, samples of a pixel)."""
    count = _SAMPLES[head.colour]
    whole = np.empty((head.height, head.width, count), np.uint16 if head.depth == 16 else np.uint8)
    end = 0
    for column, row, across, down, width, height in _passes(head):
        start, end = end, end + height * _stride(head, width)
        part = whole[row::down, column::across]
        rows = filtered[start:end].reshape(height, -1)
        for first, plain in png_filters.undone(rows, max(1, count * head.depth // 8)):
            values = _values(plain, head.depth)[:, : width * count]
            part[first : first + len(plain)] = values.reshape(-1, width, count)
    return whole


def _values(rows: np.ndarray, depth: int) -> np.ndarray:
    """Return rows of bytes as rows of numbers of so many bits, with those that fill up the last byte."""
    if depth >= 8:
        return rows.view(f">u{depth // 8}")
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    return (rows[..., None] >> shifts & ((1 << depth) - 1)).reshape(len(rows), -1)


def _palette(head: Header, chunks: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return the chunks PLTE and tRNS, empty where they decide no pixels or are unsound; BadPicture for a bad palette.

    What is no chunk that is known, and must not be skipped, is BadPicture too.
    """
    found: dict[bytes, bytes] = {}
    for kind, body in chunks:
        if kind == b"IHDR" or (kind == b"PLTE" and kind in found):
            raise BadPicture(f"the file is damaged: it has two chunks {_name(kind)}")
        if kind not in (b"PLTE", b"IDAT", b"IEND") and (kind[:1].isupper() or not kind.isalpha()):
            raise BadPicture(f"the file has a chunk {_name(kind)}, which is not known and must not be skipped")
        if kind in (b"PLTE", b"tRNS"):
            found.setdefault(kind, body)
    colours, transparent = found.get(b"PLTE", b""), found.get(b"tRNS", b"")
    if head.colour != _PALETTE:
        return b"", transparent if len(transparent) == {_GRAY: 2, _RGB: 6}.get(head.colour) else b""
    if not colours or len(colours) % 3 or len(colours) > 3 << head.depth:
        raise BadPicture("the file is damaged: it has no valid palette")
    return colours, transparent if len(transparent) <= len(colours) // 3 else b""


def _passes(head: Header) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield what the file consists of: first column and row, their steps, width and height; one where not interlaced.

    Passes without pixels are left out; they take no bytes.
    """
    for column, row, across, down in _PASSES if head.interlaced else ((0, 0, 1, 1),):
        width, height = -(-(head.width - column) // across), -(-(head.height - row) // down)
        if width > 0 and height > 0:
            yield column, row, across, down, width, height


def _stride(head: Header, width: int) -> int:
    """Return the bytes of a row: its filter and its samples."""
    return 1 + (width * _SAMPLES[head.colour] * head.depth + 7) // 8


def _rows(head: Header, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return the filtered rows, unpacked: exactly as many bytes as the header asks for, whatever the file holds."""
    size = sum(height * _stride(head, width) for *_, width, height in _passes(head))
    inflate = zlib.decompressobj()
    rows = inflate.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), size)
    if len(rows) < size:
        raise BadPicture("the file is cut short")
    inflate.decompress(inflate.unconsumed_tail, 1)  # reads the checksum, where nothing superfluous comes before it
    return rows


def _name(kind: bytes) -> str:
    return kind.decode("ascii") if kind.isalpha() else kind.hex()


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
