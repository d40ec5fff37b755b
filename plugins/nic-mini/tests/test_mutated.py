"""Files changed anywhere, their CRC recomputed: a picture of the header's size, or an error that says what is wrong.

`python tools/benchmarks/mutate.py` does the same with many more files, of more codecs, and measures time and memory.
"""

import struct
import zlib

import nic_core as nic
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nic_core.errors import NicError
from nic_core.format.container import unpack
from nic_core.pictures.picture import Picture

KINDS = ["color", "deep", "rich"]

edits = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 9), st.binary(max_size=9)), min_size=1, max_size=3)
"""Each a place, how many bytes there are taken away, and what comes instead."""


@pytest.fixture(scope="module")
def codec() -> nic.Codec:
    return nic.load("mini", device="cpu")


@pytest.fixture(scope="module")
def files(codec: nic.Codec) -> dict[str, bytes]:
    """Files of 40 x 30 pixels by kind."""
    y, x = np.mgrid[:30, :40]
    color = np.stack([6 * x, 8 * y, 3 * (x + y)], -1).astype(np.uint8)
    rich = Picture(color[..., :1], color[..., 0], icc=bytes(200), xmp=b"<x:xmpmeta/>", dpi=(72.0, 72.0))
    pictures = {"color": color, "deep": Picture(color.astype(np.uint16) * 257), "rich": rich}
    return {kind: codec.encode(picture) for kind, picture in pictures.items()}


@pytest.mark.parametrize("in_stream", [True, False])
@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(kind=st.sampled_from(KINDS), edits=edits)
def test_a_picture_or_an_error(
    codec: nic.Codec, files: dict[str, bytes], in_stream: bool, kind: str, edits: list[tuple[int, int, bytes]]
) -> None:
    body = files[kind][:-4]
    (unit,) = unpack(files[kind]).units
    start = len(body) - len(unit)
    kept, changed, rest = (body[:start], unit, b"") if in_stream else (body[:4], body[4:start], unit)
    for place, count, more in edits:
        place %= len(changed) + 1
        changed = changed[:place] + more + changed[place + count :]
    body = kept + changed + rest
    data = body + struct.pack("<I", zlib.crc32(body))
    try:
        picture = codec.decode_picture(data, max_pixels=1 << 16)
    except NicError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        head = nic.inspect(data)
        assert picture.pixels.shape == (head.height, head.width, head.channels)
