"""Files with and without captions; decoding them without any text encoder."""

import dataclasses
import json
import sys

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core.errors import BadOption, NicError, PluginFault
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.distances.lpips import lpips
from nic_nn.testing import write_random_alexnet
from nic_nn.weights.export import export
from nic_taco import captioner
from nic_taco.model import Taco
from taco_reference import SMALL, small_model
from tiny_clip import write_random_clip

SEEN = "what the captioner saw"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("taco")


@pytest.fixture(scope="module")
def clip(folder):
    return write_random_clip(folder)


@pytest.fixture(scope="module")
def weights(folder):
    export(small_model(), folder / "w.safetensors", WeightsInfo("taco", "w", {}, "", ""))
    return folder / "w.safetensors"


@pytest.fixture
def codec(weights, clip, monkeypatch):
    monkeypatch.setenv("NIC_CLIP", str(clip))
    return nic.load("taco", weights=weights, device="cpu")


def values(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


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
    with pytest.raises(PluginFault, match=r"ModuleNotFoundError: import of nic_taco\.text halted"):
        fresh.encode(values(70, 60, 3))


@pytest.mark.parametrize("shape", [(20, 30, 1), (20, 30, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_caption_auto_writes_the_text(codec, shape, dtype, monkeypatch):
    shown = []
    monkeypatch.setattr(captioner, "describe", lambda pixels, device: shown.append(pixels) or SEEN)
    picture = Picture(values(*shape, dtype=dtype))
    assert codec.encode(picture, caption="auto") == codec.encode(picture, text=SEEN)
    (seen,) = shown
    assert (seen.shape, seen.dtype) == ((20, 30, 3), np.uint8)
    assert np.array_equal(seen[..., :1], picture.pixels[..., :1] >> (0 if dtype == np.uint8 else 8))


def test_a_text_and_caption_auto_exclude_one_another(codec):
    with pytest.raises(BadOption, match="not both"):
        codec.encode(values(8, 8, 3), text="a red door", caption="auto")


def test_a_clip_of_another_width_is_named(clip, folder):
    path = folder / "wide.safetensors"
    export(Taco(dataclasses.replace(SMALL, text_width=96)), path, WeightsInfo("taco", "wide", {}, "", ""))
    with pytest.raises(BadOption, match="96 wide, this CLIP gives 64"):
        nic.load("taco", weights=path, device="cpu").encode(values(8, 8, 3), clip=str(clip))


def test_a_clip_that_is_not_there_is_named_in_one_line(codec, tmp_path):
    with pytest.raises(NicError, match="nowhere") as caught:
        codec.encode(values(8, 8, 3), clip=str(tmp_path / "nowhere.pt"))
    assert "\n" not in str(caught.value)


def test_of_several_captions_the_nearest_by_lpips_is_kept(codec, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NIC_LPIPS", str(write_random_alexnet(folder)))
    pixels = values(64, 64, 3)
    texts = ("a red door", "a blue door", "two dogs")
    files = {text: codec.encode(pixels, text=text) for text in texts}

    def distance(text):
        x_hat, x = (
            torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (codec.decode_picture(files[text]).pixels, pixels)
        )
        return float(lpips(x_hat, x, values="unit"))

    best = min(texts, key=distance)
    assert codec.encode(pixels, text=texts, captions_best=3) == files[best]
    assert codec.encode(pixels, text=texts, captions_best=64) == files[best]
    two = min(texts[:2], key=distance)
    assert codec.encode(pixels, text=texts, captions_best=2) == files[two]
    assert codec.encode(pixels, text=texts) == files[texts[0]]
    assert codec.encode(pixels, text=[texts[0]], captions_best=2) == files[texts[0]]

    (tmp_path / "captions.json").write_text(json.dumps({"a.png": texts}))
    options = nic.EncodeOptions(codec.spec, {"captions": tmp_path / "captions.json", "captions-best": "3"})
    assert codec.encode(pixels, **options.of("x/a.png")) == files[best]


def test_several_captions_need_a_picture_that_can_be_compared(codec, folder, monkeypatch):
    monkeypatch.setenv("NIC_LPIPS", str(write_random_alexnet(folder)))
    with pytest.raises(BadOption, match="32 pixels a side"):
        codec.encode(values(20, 64, 3), text=("one", "two"), captions_best=2)
    with pytest.raises(BadOption, match="coded in tiles"):
        codec.encode(values(128, 64, 3), text=("one", "two"), captions_best=2, tile=64)
