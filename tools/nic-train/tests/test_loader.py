"""The loader: the same batches whatever the workers, the memory and the ranks, and after a resume."""

import json

import pytest
import torch
from nic_core.errors import BadOption, NicError
from nic_nn.training.augmentation import Augmentation
from nic_nn.training.batch import Batch
from nic_train.data import loader
from nic_train.data.loader import LoaderSettings, default_workers, make_loader, measure, open_source, validation_loader
from PIL import Image

CROP = 32


@pytest.fixture
def folder(tmp_path, make_pictures):
    return make_pictures(tmp_path / "pictures", 7)


def batches(source, start=0, steps=6, workers=0, rank=0, world=1, scale=(1.0, 1.0)):
    return list(
        make_loader(source, LoaderSettings(4, CROP, 5, workers, rank, world, Augmentation(scale=scale)), start, steps)
    )


def assert_equal(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.files == other.files
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.keys, other.keys)


def test_workers_memory_and_resuming_change_nothing(folder):
    held, read = open_source(str(folder), CROP), open_source(str(folder), CROP, cache_gb=0)
    assert (held.cached, read.cached) == (True, False)
    whole = batches(held)
    assert len(whole) == len(make_loader(held, LoaderSettings(4, CROP, 5), 0, 6)) == 6
    assert (whole[0].pixels.shape, whole[0].pixels.dtype) == ((4, 3, CROP, CROP), torch.uint8)
    assert_equal(batches(read), whole)
    assert_equal(batches(read, workers=2), whole)
    assert_equal(batches(held, 3, workers=2), whole[3:])
    assert_equal(batches(read, 5), whole[5:])
    scaled = batches(held, scale=(0.5, 1.5))
    assert_equal(batches(read, 3, workers=2, scale=(0.5, 1.5)), scaled[3:])
    assert not torch.equal(scaled[0].pixels, whole[0].pixels)
    with pytest.raises(BadOption, match="scale must be two factors"):
        batches(held, scale=(1.5, 0.5))


def test_ranks_draw_together_what_one_process_draws(folder):
    source = open_source(str(folder), CROP)
    parts = [batches(source, rank=rank, world=2) for rank in (0, 1)]
    for whole, first, second in zip(batches(source), *parts, strict=True):
        assert whole.files == first.files + second.files
        assert torch.equal(whole.keys, torch.cat([first.keys, second.keys]))
        assert torch.equal(whole.pixels, torch.cat([first.pixels, second.pixels]))


def test_training_keeps_its_own_random_numbers(folder):
    source = open_source(str(folder), CROP)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    for workers in (0, 1):
        measure(make_loader(source, LoaderSettings(4, CROP, 5, workers), 0, 20), 0.01)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_measuring_counts_pictures_and_takes_nothing_away(folder, workers, monkeypatch):
    source = open_source(str(folder), CROP)
    made = make_loader(source, LoaderSettings(4, CROP, 5, workers), 0, 40)
    assert measure(made, 0.01) > 0
    assert_equal(list(made), batches(source, steps=40))
    ticks = iter(range(100))
    monkeypatch.setattr(loader.time, "perf_counter", lambda: float(next(ticks)))
    assert measure(made, 2.5) == 4.0  # a batch of four each second
    assert measure(make_loader(source, LoaderSettings(4, CROP, 5), 0, 1)) == 0.0


def test_validation_takes_each_picture_once(folder, tmp_path):
    source = open_source(str(folder), CROP)
    whole = list(validation_loader(source, CROP, 3))
    assert [len(batch) for batch in whole] == [3, 3, 1]
    assert all(isinstance(batch, Batch) for batch in whole)
    assert [name for batch in whole for name in batch.files] == [f"{i}.png" for i in range(7)]
    parts = [
        [name for batch in validation_loader(source, CROP, 3, 0, rank, 2) for name in batch.files] for rank in (0, 1)
    ]
    assert parts == [["0.png", "2.png", "4.png", "6.png"], ["1.png", "3.png", "5.png"]]


def test_needs_must_be_met(folder, tmp_path):
    with pytest.raises(NicError, match="--captions"):
        open_source(str(folder), CROP, needs=frozenset({"text"}))
    with pytest.raises(NicError, match="--labels"):
        open_source(str(folder), CROP, needs=frozenset({"labels"}))
    (tmp_path / "c.json").write_text(json.dumps({f"{i}.png": f"text {i}" for i in range(3)}))
    (folder / "maps").mkdir()
    for i in range(5):
        Image.new("L", (96, 80), i).save(folder / "maps" / f"{i}.png")
    source = open_source(
        str(folder), CROP, str(tmp_path / "c.json"), str(folder / "maps"), frozenset({"text", "labels"})
    )
    assert source.pictures.names == ("0.png", "1.png", "2.png")
    for batch in batches(source, steps=3, workers=1):
        assert batch.text == tuple(f"text {name[0]}" for name in batch.files)
        assert batch.labels.amax((1, 2)).tolist() == [int(name[0]) for name in batch.files]
    assert open_source(str(folder), CROP, str(tmp_path / "c.json")).captions is None  # nothing needs them


def test_default_workers(monkeypatch):
    monkeypatch.setattr(loader, "cores", lambda: 16)
    assert [default_workers(False, processes) for processes in (1, 4, 32)] == [8, 4, 1]
    assert [default_workers(True, processes) for processes in (1, 4, 32)] == [8, 0, 0]
