"""Files with and without captions; decoding them without any text encoder."""

import sys
import zlib
from types import ModuleType

import nic_core as nic
import numpy as np
import pytest
from nic_core.errors import BadOption
from nic_core.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.export import export
from taco_reference import SMALL, small_model, text

SEEN = "what the captioner saw"


class TextEncoder:
    """Random features that depend on the text."""

    def __init__(self, width):
        self.width = width

    def embed(self, texts):
        (caption,) = texts
        return text(zlib.crc32(caption.encode()), self.width)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    export(small_model(), path, WeightsInfo("taco", "w", {}, "", ""))
    return path


@pytest.fixture
def described():
    """The pictures that the captioner was shown."""
    return []


@pytest.fixture
def codec(weights, described, monkeypatch):
    """The codec with a text encoder and a captioner that need no networks."""
    encoders, captioner = ModuleType("text"), ModuleType("captioner")
    encoders.load_text_encoder = lambda source, device: TextEncoder(64 if source == "wide" else SMALL.text_width)
    captioner.describe = lambda pixels: described.append(pixels) or SEEN
    monkeypatch.setitem(sys.modules, "nic_taco.text", encoders)
    monkeypatch.setitem(sys.modules, "nic_taco.captioner", captioner)
    return nic.load("taco", weights=weights, device="cpu")


def values(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 64), (65, 130)])
def test_any_size(codec, size):
    pixels = values(*size, 3)
    back = codec.decode_picture(codec.encode(pixels, text="a red door with a brass knocker"))
    assert back.pixels.shape == pixels.shape


def test_text_decides_the_file(codec):
    pixels = values(64, 64, 3)
    files = [codec.encode(pixels, text=caption) for caption in ("a red door", "a blue door", "")]
    assert len(set(files)) == 3
    assert codec.encode(pixels) == files[2]
    assert codec.encode(pixels, text="a red door") == files[0]


def test_decoding_needs_no_text_encoder(codec, weights, monkeypatch):
    data = codec.encode(values(70, 60, 3), text="a red door")
    expected = codec.decode_picture(data).pixels
    for name in ("nic_taco.text", "nic_taco.captioner", "open_clip"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it now fails
    fresh = nic.load("taco", weights=weights, device="cpu")
    assert np.array_equal(fresh.decode_picture(data).pixels, expected)
    with pytest.raises(ImportError):
        fresh.encode(values(70, 60, 3))


@pytest.mark.parametrize("shape", [(20, 30, 1), (20, 30, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_caption_auto_writes_the_text(codec, described, shape, dtype):
    pixels = values(*shape, dtype=dtype)
    assert codec.encode(Picture(pixels), caption="auto") == codec.encode(Picture(pixels), text=SEEN)
    (shown,) = described
    assert (shown.shape, shown.dtype) == ((20, 30, 3), np.uint8)
    assert np.array_equal(shown[..., :1], pixels[..., :1] if dtype == np.uint8 else pixels[..., :1] >> 8)


def test_a_text_and_caption_auto_exclude_one_another(codec):
    with pytest.raises(BadOption, match="not both"):
        codec.encode(values(8, 8, 3), text="a red door", caption="auto")


def test_a_clip_of_another_width_is_named(codec):
    with pytest.raises(BadOption, match="32 wide, this CLIP gives 64"):
        codec.encode(values(8, 8, 3), clip="wide")
