"""Tar shards: the same batches after a resume and with any number of workers, and damage that is not fatal."""

import dataclasses
import io
import json
import tarfile

import numpy as np
import pytest
import torch
from nic_core.errors import NicError
from nic_train.data.loader import LoaderSettings, make_loader, open_source
from nic_train.data.shards import tar
from nic_train.data.shards.files import shard_urls
from nic_train.data.shards.sets import scan_shards
from nic_train.data.shards.streams import stream_count, worker_count
from PIL import Image

CROP = 16


def picture(value, size=(24, 20)):
    file = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pixels[..., 0] = value
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_shard(path, members):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    """Four shards of 5, 6, 7 and 8 pictures, whose red value is their number."""
    folder, number = tmp_path / "shards", 0
    for shard in range(4):
        members = {}
        for _ in range(5 + shard):
            members[f"{number:03}.png"] = picture(number)
            number += 1
        write_shard(folder / f"s-{shard}.tar", members)
    return folder


def batches(source, start=0, steps=30, workers=0, rank=0, world=1, seed=1):
    return list(make_loader(source, LoaderSettings(4, CROP, seed, workers, rank, world), start, steps))


def small_blocks(source):
    return dataclasses.replace(source, block=4)


def assert_equal(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert (one.files, one.text) == (other.files, other.text)
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.keys, other.keys)


def numbers(loaded):
    return [int(value) for batch in loaded for value in batch.pixels[:, 0, 0, 0]]


def test_what_stands_for_shards(shards, tmp_path):
    names = [str(shards / f"s-{i}.tar") for i in range(4)]
    assert list(shard_urls(str(shards / "s-{0..3}.tar"))) == list(shard_urls(str(shards))) == names
    assert shard_urls(str(tmp_path)) == ()
    assert len(shard_urls("https://example.org/train-{000..099}.tar")) == 100
    with pytest.raises(NicError, match=r"2 of 6 shards do not exist: .*s-4\.tar"):
        shard_urls(str(shards / "s-{0..5}.tar"))
    Image.new("RGB", (30, 30)).save(shards / "a.png")
    assert shard_urls(str(shards)) == ()


def test_an_epoch_takes_each_picture_once(shards):
    source = scan_shards(shard_urls(str(shards)), CROP)
    assert source.counts == (5, 6, 7, 8)
    assert source.record().pictures == 26
    dataset = make_loader(source, LoaderSettings(1, CROP, 0), 0, 4 * 52).dataset
    samples = [next(stream) for stream in [dataset._samples(0, 1, 0)] for _ in range(52)]
    values = [int(sample.pixels[0, 0, 0]) for sample in samples]
    assert sorted(values[:26]) == sorted(values[26:]) == list(range(26))
    assert values[:26] != values[26:]
    assert len({sample.key for sample in samples}) == 52


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [1, 2, 7, 26])
def test_resuming_gives_the_batches_of_an_uninterrupted_run(shards, workers, start):
    source = small_blocks(scan_shards(shard_urls(str(shards)), CROP))
    whole = batches(source, workers=0)
    assert len(whole) == 30
    assert_equal(batches(source, start, workers=workers), whole[start:])
    assert numbers(batches(source, seed=2)) != numbers(whole)


def test_skipping_reads_headers_only(shards, monkeypatch):
    source = small_blocks(scan_shards(shard_urls(str(shards)), CROP))
    read = []
    data = picture(1)
    monkeypatch.setattr(tar, "_read_later", lambda archive, member: lambda: read.append(member) or data)
    batches(source, 1000, 1001)
    assert 4 <= len(read) <= 3 * 4


def test_ranks_take_different_shards(shards):
    source = scan_shards(shard_urls(str(shards)), CROP)
    taken = [{name.rpartition("/")[0] for batch in batches(source, steps=2, rank=rank, world=2) for name in batch.files}
             for rank in (0, 1)]  # fmt: skip
    assert not taken[0] & taken[1]
    assert all(len(batch) == 2 for batch in batches(source, steps=2, world=2))
    with pytest.raises(NicError, match="4 shards cannot be shared by 5 processes"):
        batches(source, world=5)


def test_streams_and_workers():
    assert [stream_count(count, 1) for count in (1, 2, 3, 7, 8, 1000)] == [1, 2, 2, 4, 8, 8]
    assert stream_count(64, 16) == 4
    assert [worker_count(workers, 4) for workers in (0, 1, 2, 3, 4, 9)] == [0, 1, 2, 2, 4, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_is_named_once_and_not_fatal(shards, workers, caplog):
    write_shard(shards / "s-4.tar", {f"9{i}.png": picture(90 + i) if i % 3 else b"broken" for i in range(6)})
    write_shard(shards / "s-5.tar", {"100.png": picture(100), "101.png": picture(101, (24, 12)), "102.txt": b"lost"})
    cut = (shards / "s-0.tar").read_bytes()
    (shards / "s-0.tar").write_bytes(cut[: 512 + 1024 * (len(cut) // 1024 // 3)])
    (shards / "s-6.tar").write_bytes(b"not a tar file")
    write_shard(shards / "s-7.tar", {"notes.txt": b""})
    source = small_blocks(scan_shards(shard_urls(str(shards)), CROP))
    assert caplog.messages[-1] == f"1 of 8 shards left out, without pictures: {shards}/s-7.tar"
    assert caplog.text.count("s-6.tar: the shard cannot be read") == 1
    assert len([text for text in caplog.messages if "s-0.tar" in text]) == 1
    assert source.counts[4:] == (6, 2)
    whole = batches(source)
    assert {91, 92, 94, 95, 100}.issubset(numbers(whole))
    assert 101 not in numbers(whole)
    for name in ("s-4.tar/90.png", "s-4.tar/93.png", "s-5.tar/101"):
        assert caplog.text.count(name) == 1
    assert len([text for text in caplog.messages if "s-0.tar: " in text]) == 1
    assert source.broken.count() >= 4
    for start in (3, 16):
        assert_equal(batches(source, start, workers=workers), whole[start:])


def test_only_damage_is_an_error(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"not a tar file")
    with pytest.raises(NicError, match=r"none of 1 shards holds a picture: .*a\.tar"):
        scan_shards([str(tmp_path / "a.tar")], CROP)
    write_shard(tmp_path / "b.tar", {"a.png": b"broken"})
    source = scan_shards([str(tmp_path / "b.tar")], CROP)
    with pytest.raises(NicError, match="1000 samples in a row are broken"):
        batches(source)


def test_annotations_lie_beside_the_picture(tmp_path, caplog):
    members = {}
    for i, text in enumerate([b"plain", json.dumps({"caption": ["one", "two"]}).encode(), b'"bare"', None, b"3"]):
        labels = io.BytesIO()
        Image.fromarray(np.full((20, 24), i, np.uint8)).save(labels, "PNG")
        members[f"{i}.png"], members[f"{i}.seg.png"] = picture(i), labels.getvalue()
        if text is not None:
            members[f"{i}.txt" if i == 0 else f"{i}.json"] = text
    write_shard(tmp_path / "a.tar", members)
    source = open_source(str(tmp_path / "a.tar"), CROP, needs=frozenset({"text", "labels"}))
    texts = {}
    for batch in batches(source, steps=10):
        assert torch.equal(batch.labels, batch.pixels[:, 0].long())
        for value, text in zip(numbers([batch]), batch.text, strict=True):
            texts.setdefault(value, set()).add(text)
    assert texts == {0: {"plain"}, 1: {"one", "two"}, 2: {"bare"}}
    assert source.classes == 0
    three = open_source(str(tmp_path / "a.tar"), CROP, needs=frozenset({"labels"}), classes=3)
    assert set(numbers(batches(three, steps=10))) == {0, 1, 2}
    assert "3.seg.png: the label map holds 3, outside the class list's 0 to 2" in caplog.text
    plain = batches(open_source(str(tmp_path / "a.tar"), CROP), steps=1)[0]
    assert plain.text is plain.labels is None


def test_shards_that_are_no_files_resume_too(shards, monkeypatch):
    local = batches(small_blocks(scan_shards(shard_urls(str(shards)), CROP)))
    monkeypatch.setattr(tar, "open_shard", lambda url: io.BytesIO((shards / url.rpartition("/")[2]).read_bytes()))
    urls = shard_urls("https://example.org/s-{0..3}.tar")
    source = small_blocks(scan_shards(urls, CROP))
    assert source.counts == (None,) * 4
    assert source.record().pictures is None
    whole = batches(source)
    assert numbers(whole) == numbers(local)
    assert_equal(batches(source, 21), whole[21:])


def test_records_say_what_differs(shards):
    urls = shard_urls(str(shards))
    before = scan_shards(urls, CROP).record()
    assert before.files == 4
    assert before.difference(scan_shards(urls[:3], CROP).record()) == "4 files then, 3 now"
    write_shard(shards / "s-0.tar", {"x.png": picture(1)})
    assert "other contents" in before.difference(scan_shards(urls, CROP).record())


def test_instances_beside_the_labels_weigh_small_things(tmp_path, caplog):
    def png(values):
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        return file.getvalue()

    things = np.zeros((20, 24), np.uint8)
    things[:, 12:] = 1
    members = {"0.png": picture(0), "0.seg.png": png(things + 4), "0.inst.png": png(things)}
    members |= {"1.png": picture(1), "1.seg.png": png(things + 4), "1.inst.png": png(things[:10])}
    write_shard(tmp_path / "a.tar", members)
    source = open_source(str(tmp_path / "a.tar"), CROP, needs=frozenset({"labels"}))
    for batch in batches(source, steps=3):
        assert torch.equal(batch.weights, 1.0 + 2 * (batch.labels == 5))
    assert "a.tar/1: inst.png and seg.png are not of one size" in caplog.text
