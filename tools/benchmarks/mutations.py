"""Small .nic files of every kind, and how they are mutated: the same number gives the same file."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import nic_core as nic
import nic_nn.model
import numpy as np
from nic_core.format.container import File, Header, pack, unpack
from nic_core.pictures.picture import Picture
from PIL import ImageCms

IDS = ("mini", "textsketch-ntc", "textsketch-pic", "textsketch-pics", "taco", "egic", "none")
SIDES = (1, 16, 63, 64, 65, 128, 200, 512, 1024, 4096, 65535, 65536, 250_000_000)


@dataclass(frozen=True)
class Sample:
    """A sound file. name: what is special about it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Mutant:
    """A file that may be damaged, its CRC recomputed. in_stream: whether only its coded units are changed."""

    sample: str
    in_stream: bool
    data: bytes


def samples() -> list[Sample]:
    """Make the files, of weights that come with the codecs."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :70]
    gray = (128 + 60 * np.sin(x / 9) + 40 * np.cos(y / 5) + rng.normal(0, 6, x.shape)).clip(0, 255).astype(np.uint8)
    color = np.stack([gray, np.roll(gray, 9, 1), 255 - gray], -1)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich = Picture(
        color, gray, icc=profile, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>", dpi=(300.0, 72.0)
    )
    mini, sketches = (nic.load(name, device="cpu", runtime="torch") for name in ("mini", "textsketch-ntc"))
    edges = np.where(np.hypot(x - 30, y - 20) % 12 < 2, 255, 0).astype(np.uint8)
    found = {
        "mini": mini.encode(color),
        "mini, gray": mini.encode(gray, 20),
        "mini, 16 bits": mini.encode(Picture(color.astype(np.uint16) * 257)),
        "mini, alpha and metadata": mini.encode(rich),
        "mini, 1 x 1": mini.encode(color[:1, :1]),
        "mini, quality 100": mini.encode(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), 100),
        "mini, coder rans": _by_rans(mini, color),
        "textsketch-ntc": sketches.encode(edges),
        "textsketch-pic": _prompt(),
    }
    return [Sample(name, data) for name, data in found.items()]


def mutant(files: list[Sample], seed: int, number: int) -> Mutant:
    """Return a mutated file; every other one is mutated in its stream alone."""
    rng = np.random.default_rng((seed, number))
    in_stream = number % 2 == 0
    if in_stream:
        files = [sample for sample in files if any(unpack(sample.data).units)]
    sample = files[number // 2 % len(files)]
    file = unpack(sample.data)
    start = len(sample.data) - 4 - sum(map(len, file.units))
    if in_stream:
        return Mutant(sample.name, True, _sealed(sample.data[:start] + _changed(sample.data[start:-4], rng)))
    if rng.random() < 0.25:
        return Mutant(sample.name, False, _other_fields(file, rng))
    head = bytearray(sample.data[5:start])  # behind the magic bytes and the version
    changed = _changed(bytes(head), rng)
    return Mutant(sample.name, False, _sealed(sample.data[:5] + changed + sample.data[start:-4]))


def _by_rans(codec: nic.Codec, pixels: np.ndarray) -> bytes:
    written, nic_nn.model.WRITTEN = nic_nn.model.WRITTEN, "rans"
    try:
        file = unpack(codec.encode(pixels))
    finally:
        nic_nn.model.WRITTEN = written
    return pack(replace(file, header=replace(file.header, coder="rans")))


def _prompt() -> bytes:
    """Return a file that is a prompt; what would paint its picture is not needed to read it."""
    from nic_textsketch.message import Message
    from nic_textsketch.prompting import prompts

    ids = prompts.tokens("a red barn in a field")
    weights = nic.load("textsketch-pic", device="cpu").weights[0]
    summed = zlib.crc32(np.array(ids, "<i4").tobytes()) & 0xFFFF
    ids_of = weights.entropy_id, weights.synthesis_id
    params = Message(ids, 7, 4, 2).pack()
    return pack(File(Header(640, 480, 3, 8, "textsketch-pic", "interleaved", *ids_of, None, summed, params), (b"",)))


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def _changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Return other bytes, one to three changes away."""
    changes: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (_flip, _flip, _put, _cut, _insert, _repeat)
    changed = data
    while changed == data:
        for _ in range(int(rng.integers(1, 4))):
            changed = changes[int(rng.integers(len(changes)))](changed, rng)
    return changed


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    if not data:
        return data
    changed, place = bytearray(data), int(rng.integers(len(data)))
    changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _put(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _range(data, rng)
    return data[:start] + _some(end - start, rng) + data[end:]


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _range(data, rng)
    return data[:start] + data[end:]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _range(data, rng)
    return data[:start] + _some(end - start, rng) + data[start:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _range(data, rng)
    return data[:end] + data[start:]


def _range(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Return a run of bytes, most often a short one."""
    start = int(rng.integers(len(data) + 1))
    length = int(2 ** rng.uniform(0, np.log2(len(data) + 2)))
    return start, min(len(data), start + length)


def _some(count: int, rng: np.random.Generator) -> bytes:
    kind = int(rng.integers(3))
    return bytes(count) if kind == 0 else b"\xff" * count if kind == 1 else rng.bytes(count)


def _other_fields(file: File, rng: np.random.Generator) -> bytes:
    """Return a file that is written as files are, with other values in one or two fields of its header."""

    def one(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    fields = {
        "width": one(*SIDES),
        "height": one(*SIDES),
        "channels": one(1, 3),
        "bit_depth": one(8, 16),
        "codec": one(*IDS),
        "coder": one("rans", "interleaved", "other"),
        "entropy_id": rng.bytes(4).hex(),
        "synthesis_id": rng.bytes(4).hex(),
        "quality": one(None, 1.0, 37.21, 100.0),
        "checksum": int(rng.integers(1 << 16)),
        "params": rng.bytes(int(rng.integers(80))),
    }
    chosen = rng.choice(list(fields), int(rng.integers(1, 3)), replace=False).tolist()
    changed = replace(file, header=replace(file.header, **{name: fields[name] for name in chosen}))
    return pack(changed)
