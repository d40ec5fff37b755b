"""A host program that uses every public name; checked by mypy --strict."""

import os
from collections.abc import Iterator
from pathlib import Path

import nic_core as nic
import numpy as np
from nic_core import progress
from nic_core.errors import DamagedFile
from nic_core.files.atomic import atomic_write
from nic_core.files.places import read_bytes
from nic_core.format.tiling import Area
from nic_core.host.cache import Cache, cache
from numpy.typing import NDArray
from PIL import Image


def records() -> list[str]:
    specs: list[nic.CodecSpec] = nic.list_codecs()
    options: list[nic.Option] = [option for spec in specs for option in spec.options]
    return [spec.id for spec in specs] + [option.name for option in options]


def coded(path: Path) -> bytes:
    own = Cache(500_000_000)
    with nic.load("mini", device="cpu", runtime="auto", cache=own) as codec:
        weights: list[nic.WeightsSpec] = codec.weights
        print(weights[0].name, codec.ladder[:2], codec.runtimes, codec.spec.id)
        return codec.encode(path, target=nic.Target("bpp", 0.5), strip=True)


def forms(pixels: NDArray[np.uint8]) -> Iterator[bytes]:
    picture = nic.Picture.of(pixels)
    yield nic.encode(picture, 40)
    yield nic.encode(picture.to_pil(), quality=40.5)
    yield from nic.load().encode_batch([picture, pixels], quality=50)


def shown(data: bytes | os.PathLike[str]) -> Image.Image:
    header: nic.Header = nic.inspect(data)
    picture: nic.Picture = nic.decode_picture(data, max_pixels=header.width * header.height)
    print(picture.to_array().dtype, header.quality, header.codec)
    return nic.decode(data, scale=1 / 8)


def rows(data: bytes) -> int:
    def damaged(tile: Area, error: DamagedFile) -> None:
        print(tile.x, error)

    picture: nic.RowPicture = nic.load().decode_rows(data, region=(0, 0, 8, 8), on_damage=damaged)
    return picture.height


def own_options(codec: nic.Codec) -> dict[str, object]:
    return nic.EncodeOptions(codec.spec, {}).of("a.png")


def listened(data: bytes) -> list[nic.Picture]:
    cache.limit = 10**9
    listener = progress.Listener(step=lambda what, done, total: print(what, done, total), note=print)
    try:
        with progress.listening(listener):
            return list(nic.load().decode_batch([data]))
    except nic.NicError as error:
        atomic_write("error.txt", str(error).encode())
        print(read_bytes("error.txt"))
        raise
