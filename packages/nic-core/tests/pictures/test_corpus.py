"""A small corpus of damaged and lying files, made here: each is read or refused, soon."""

import io
import random
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from nic_core.errors import BadPicture
from nic_core.pictures import image_files, pillow
from nic_core.pictures.picture import Picture
from PIL import Image

SLOWEST = 10.0  # seconds for one small file, on the slowest machine


def picture_files() -> dict[str, bytes]:
    """Return a sound file of each kind, by name."""
    y, x = np.mgrid[:24, :33]
    colour = np.stack([3 * x, 5 * y, x + y], axis=2).astype(np.uint8)
    image = Image.fromarray(colour)
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    frames = [image, image.rotate(180)]
    options: dict[str, tuple[str, dict]] = {
        "jpeg": ("JPEG", {"exif": exif.tobytes(), "dpi": (300, 300)}),
        "progressive": ("JPEG", {"progressive": True}),
        "webp": ("WEBP", {"exif": exif.tobytes()}),
        "webp-lossless": ("WEBP", {"lossless": True}),
        "webp-moving": ("WEBP", {"save_all": True, "append_images": frames}),
        "gif": ("GIF", {"save_all": True, "append_images": frames}),
        "bmp": ("BMP", {}),
        "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
        "tiff-jpeg": ("TIFF", {"compression": "jpeg"}),
        "ppm": ("PPM", {}),
        "avif": ("AVIF", {"speed": 10}),
        "jxl": ("JXL", {"effort": 1}),
        "heic": ("HEIF", {}),
    }
    files = {"qoi": b"qoif" + struct.pack(">IIBB", 33, 24, 3, 0) + b"\xfd" * 13 + bytes(7) + b"\1"}
    for name, (format, settings) in options.items():
        if image_files.missing_package(f".{name}") is None:
            pillow.register(format)
            file = io.BytesIO()
            image.save(file, format, **settings)
            files[name] = file.getvalue()
    deep = Picture(colour.astype(np.uint16) * 257, icc=b"profile", exif=exif.tobytes()[6:], xmp=b"<x/>", dpi=(72, 72))
    files |= {f"deep-{format}": image_files.encode(deep, format) for format in ("png", "tiff")}
    file = io.BytesIO()
    tifffile.imwrite(file, deep.pixels, photometric="rgb", tile=(16, 16), compression="zlib")
    return files | {"deep-tiles": file.getvalue()}


def damaged(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Yield what becomes of a file that is cut, altered, repeated and lied about."""
    for _ in range(4):
        yield data[: rng.randrange(len(data))]
    for count in (1, 1, 1, 2, 4, 16):
        altered = bytearray(data)
        for _ in range(count):
            altered[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield bytes(altered)
    for value in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0"):
        at = rng.randrange(4, min(len(data), 200))
        yield data[:at] + value + data[at + 4 :]
    at, to = sorted(rng.sample(range(len(data)), 2))
    yield data[:at] + data[to:]
    yield data[:to] + data[at:]
    yield data + data


def with_other_chunks(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Yield a PNG file with its chunks shuffled, left out, repeated and altered, under right checksums."""
    chunks, at = [], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length

    def file(parts: list[tuple[bytes, bytes]]) -> bytes:
        packed = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
        return data[:8] + b"".join(packed)

    for i, (kind, body) in enumerate(chunks):
        yield file(chunks[:i] + chunks[i + 1 :])
        yield file([*chunks[:i], (kind, body), *chunks[i:]])
        yield file([*chunks[:i], (kind.lower() if kind[:1].isupper() else kind.upper(), body), *chunks[i + 1 :]])
        yield file([*chunks[:i], (kind, body[: len(body) // 2]), *chunks[i + 1 :]])
        for _ in range(3):
            altered = bytearray(body or b"\0")
            altered[rng.randrange(len(altered))] ^= 1 << rng.randrange(8)
            yield file([*chunks[:i], (kind, bytes(altered)), *chunks[i + 1 :]])
        yield file(rng.sample(chunks, len(chunks)))


@pytest.fixture(scope="module")
def corpus() -> dict[str, bytes]:
    """Return some hundred files, the same ones always."""
    rng = random.Random(0)
    sound = picture_files()
    files = {f"{name}-{i}": bad for name, data in sound.items() for i, bad in enumerate(damaged(data, rng))}
    return files | {f"chunks-{i}": bad for i, bad in enumerate(with_other_chunks(sound["deep-png"], rng))}


def test_each_is_read_or_refused_soon(corpus: dict[str, bytes]) -> None:
    counts = {"read": 0, "refused": 0}
    for name, data in corpus.items():
        start = time.perf_counter()
        try:
            picture = image_files.read_bytes(data, name)
            assert picture.width * picture.height < 1 << 24, name
            counts["read"] += 1
        except BadPicture as error:
            assert str(error).startswith(f"{name}: ")
            assert "\n" not in str(error)
            counts["refused"] += 1
        assert time.perf_counter() - start < SLOWEST, name
    assert len(corpus) > 300
    assert min(counts.values()) > 50


def test_a_process_that_reads_png_files_prints_nothing(corpus: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in corpus.items():
        if name.startswith(("chunks", "deep-png")):
            (tmp_path / name).write_bytes(data)
    script = """
import sys
from pathlib import Path
from nic_core.errors import BadPicture
from nic_core.pictures import image_files
from nic_core.pictures import pillow
for path in Path(sys.argv[1]).iterdir():
    try:
        image_files.read(path)
    except BadPicture:
        pass
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
