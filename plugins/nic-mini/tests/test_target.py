"""The bundled weights kept to a rate and to a PSNR, through real files."""

import nic_core as nic
import numpy as np
import pytest
from nic_core.errors import TargetUnreachable
from nic_core.host.target import MOST_TRIALS, psnr
from nic_core.pictures.picture import Picture
from skimage import data


@pytest.fixture(scope="module")
def codec():
    return nic.load("mini", device="cpu")


@pytest.fixture(scope="module")
def photograph():
    return Picture(data.coffee()[100:140, 200:248])  # 48 x 40, RGB


def test_every_hundredth_of_a_quality_is_a_rung(codec):
    assert codec.ladder == [hundredths / 100 for hundredths in range(100, 10001)]


def test_files_end_close_below_the_target(codec, photograph):
    least, most = (len(codec.encode(photograph, quality)) for quality in (1, 100))
    for size in np.linspace(least, most, 3).astype(int):
        trials = []
        file = codec.encode(photograph, target=nic.Target("size", int(size)), on_trial=trials.append)
        assert 0.95 * size <= len(file) <= size
        assert len(trials) <= MOST_TRIALS
        assert file == codec.encode(photograph, nic.inspect(file).quality)
    bpp = 8 * (least + most) / 2 / (48 * 40)
    assert 0.98 * bpp < 8 * len(nic.encode(photograph, target=nic.Target("bpp", bpp))) / (48 * 40) <= bpp


def test_the_decoded_picture_reaches_a_psnr(codec, photograph):
    low, high = (psnr(photograph, codec.decode_picture(codec.encode(photograph, q))) for q in (1, 100))
    wanted = (low + high) / 2
    file = codec.encode(photograph, target=nic.Target("psnr", wanted))
    assert wanted <= psnr(photograph, codec.decode_picture(file)) < wanted + 0.2


def test_out_of_reach(codec, photograph):
    with pytest.raises(TargetUnreachable, match="20 bytes cannot be reached: the smallest file, at quality 1, has"):
        codec.encode(photograph, target=nic.Target("size", 20))
    with pytest.raises(TargetUnreachable, match="70 dB cannot be reached: the best, at quality 100, has"):
        codec.encode(photograph, target=nic.Target("psnr", 70))
