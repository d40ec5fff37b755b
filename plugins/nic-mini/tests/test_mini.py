"""The bundled weights on real photographs, through the public interface."""

import io
import zlib
from importlib.resources import files

import nic_core as nic
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data


@pytest.fixture(scope="module")
def codec():
    return nic.load("mini", device="cpu")


@pytest.fixture(scope="module")
def photograph():
    return data.coffee()  # 600 x 400, RGB


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))


def as_input(picture):
    x = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)) / 255
    return torch.nn.functional.pad(x, (0, -x.shape[3] % 64, 0, -x.shape[2] % 64), mode="replicate")


def test_all_bundled_weights_are_small():
    """Each file, and what the wheel has of them all, which is deflated."""
    contents = [entry.read_bytes() for entry in (files("nic_mini") / "weights").iterdir()]
    assert 0 < max(map(len, contents)) <= 12_000_000
    assert sum(len(zlib.compress(content)) for content in contents) < 19_000_000


def test_it_is_the_default(photograph):
    assert nic.inspect(nic.encode(photograph)).codec == "mini"


def test_quality_buys_fidelity(codec, photograph):
    coded = [codec.encode(photograph, quality) for quality in (1, 25, 50, 75, 100)]
    sizes = [len(file) for file in coded]
    fidelity = [psnr(photograph, codec.decode(file)) for file in coded]
    assert sizes == sorted(sizes) and sizes[-1] > 4 * sizes[0]
    assert fidelity == sorted(fidelity) and fidelity[-1] > fidelity[0] + 4


@pytest.mark.parametrize("quality", [10.0, 50.0, 90.0])
def test_coded_size_is_the_estimated_one(codec, photograph, quality):
    with torch.inference_mode():
        bits = sum(value.item() for value in codec.model(as_input(photograph), quality)["bits"].values())
    assert len(codec.encode(photograph, quality)) <= 1.01 * bits / 8 + 64


def test_real_coding_in_integers_is_as_good_as_what_floats_measure(codec, photograph):
    x = as_input(photograph)
    with torch.inference_mode():
        compressed = codec.model.compress(x, 40.0)
        decoded = codec.model.decompress(compressed, 40.0)["x_hat"]
        output = codec.model(x, 40.0)
    errors = [(x_hat - x).square().mean().item() for x_hat in (decoded, output["x_hat"].clamp(0, 1))]
    assert errors[0] == pytest.approx(errors[1], rel=0.01)
    bits = sum(value.item() for value in output["bits"].values())
    # Counted tables code what comes a little better than the Gaussians that are measured.
    assert 0.97 * bits < 8 * len(compressed.streams[0]) < 1.001 * bits + 128
    with torch.inference_mode(), codec.model.in_floats():
        in_floats = codec.model.decompress(codec.model.compress(x, 40.0), 40.0)["x_hat"]
    assert (in_floats - output["x_hat"].clamp(0, 1)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_it_beats_jpeg_at_equal_size(codec, name):
    """At low and medium rates; above about 0.8 bpp these weights have no such lead (docs/mini.md)."""
    picture = getattr(data, name)()
    for jpeg_quality in (10, 30):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=jpeg_quality, optimize=True)
        low, high = 1.0, 100.0  # the highest quality whose file is no larger
        for _ in range(6):
            middle = (low + high) / 2
            low, high = (low, middle) if len(codec.encode(picture, middle)) > out.tell() else (middle, high)
        ours = codec.encode(picture, low)
        assert len(ours) <= out.tell()
        assert psnr(picture, codec.decode(ours)) > psnr(picture, Image.open(out)) + 0.5
