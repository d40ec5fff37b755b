"""TFRecords of deeplab2: pictures, panoptic labels and what instances weigh, resumed and damaged like other shards."""

import io
import struct

import numpy as np
import pytest
import torch
from nic_core.errors import NicError
from nic_train.data.loader import LoaderSettings, make_loader, open_source
from nic_train.data.pictures import Broken
from nic_train.data.shards import tfrecords
from nic_train.data.shards.files import shard_urls
from nic_train.data.shards.sets import scan_shards
from nic_train.data.shards.tfrecords import read_tfrecord
from PIL import Image
from tfrecord.example_pb2 import Example
from tfrecord.writer import TFRecordWriter

CROP = 16
LABELS = frozenset({"labels"})


def picture(value, size=(24, 20)):
    file = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write(path, *samples, name="image/encoded"):
    """Write a file as deeplab2 names the features; a sample is a red value and a panoptic label or None."""
    writer = TFRecordWriter(str(path))
    for value, label in samples:
        features = {
            name: (picture(value), "byte"),
            "image/filename": (f"{value:012}".encode(), "byte"),
            "image/height": (20, "int"),
            "image/width": (24, "int"),
        }
        if label is not None:
            features["image/segmentation/class/encoded"] = (label.astype("<i4").tobytes(), "byte")
            features["image/segmentation/class/format"] = (b"raw", "byte")
        writer.write(features)
    writer.close()
    return path


def label(value, shape=(20, 24)):
    """The left half of class `value`, its first thing; the right half of class 92, which is stuff, with void on top."""
    made = np.full(shape, 256 * value + 1)
    made[:, 12:] = 92 * 256
    made[0] = 0
    return made


@pytest.fixture
def folder(tmp_path):
    """Four files of five samples each, whose red value is their number."""
    for number in range(4):
        write(
            tmp_path / f"train-{number:05}-of-00004.tfrecord",
            *[(5 * number + i, label(1 + 5 * number + i)) for i in range(5)],
        )
    return tmp_path


def batches(source, start=0, steps=12, workers=0):
    return list(make_loader(source, LoaderSettings(4, CROP, 1, workers), start, steps))


def test_labels_become_classes_and_small_things_weigh_more(folder):
    source = open_source(str(folder), CROP, needs=LABELS)
    assert source.counts == (5,) * 4
    assert source.classes == 134  # COCO's, and void
    for batch in batches(source):
        for red, classes, weights in zip(batch.pixels[:, 0, 0, 0], batch.labels, batch.weights, strict=True):
            assert set(classes.unique().tolist()) <= {0, int(red) + 1, 92}
            assert (weights[classes == red + 1] == 3).all()
            assert (weights[classes != red + 1] == 1).all()
    assert batches(source)[0].files[0].startswith(str(folder))


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_goes_on(folder, workers):
    source = open_source(str(folder), CROP)
    whole = batches(source)
    for start in (1, 7):
        for one, other in zip(batches(source, start, workers=workers), whole[start:], strict=True):
            assert one.files == other.files
            assert torch.equal(one.pixels, other.pixels)


def test_files_that_are_not_local_are_read_through(folder, monkeypatch):
    local = batches(open_source(str(folder), CROP))
    monkeypatch.setattr(tfrecords, "open_shard", lambda url: io.BytesIO((folder / url.rpartition("/")[2]).read_bytes()))
    source = scan_shards(shard_urls("https://example.org/train-{00000..00003}-of-00004.tfrecord"), CROP)
    assert source.counts == (None,) * 4
    for one, other in zip(batches(source), local, strict=True):
        assert torch.equal(one.pixels, other.pixels)


def test_damage_is_named_and_not_fatal(folder, caplog):
    first, second, third, _ = sorted(folder.iterdir())
    first.write_bytes(first.read_bytes()[:-5])  # the last sample is cut
    data = bytearray(second.read_bytes())
    data[40] ^= 1  # in the first sample
    second.write_bytes(data)
    third.write_bytes(b"no TFRecord at all")
    source = open_source(str(folder), CROP, needs=LABELS)
    assert source.counts == (4, 5, 5)
    assert f"{first}: the shard is damaged" in caplog.text and f"{third}: the shard is damaged" in caplog.text
    seen = {int(red) for batch in batches(source, steps=30) for red in batch.pixels[:, 0, 0, 0]}
    assert seen == {0, 1, 2, 3, 6, 7, 8, 9, *range(15, 20)}
    assert f"{second}/0: the shard is damaged here" in caplog.text


def test_a_length_that_a_file_only_claims_is_not_read(tmp_path):
    path = tmp_path / "a.tfrecord"
    length = struct.pack("<Q", 1 << 60)
    path.write_bytes(length + struct.pack("<I", tfrecords._masked_checksum()(length)) + b"x")
    broken = Broken()
    assert list(read_tfrecord(str(path), broken)) == []
    assert str(path) in broken


def test_samples_without_what_is_needed_are_left_out(tmp_path, caplog):
    write(tmp_path / "a.tfrecord", (1, None), (2, label(2, (10, 24))), (3, label(200)), (4, label(4)))
    write(tmp_path / "b.tfrecord", (5, None), name="image/other")
    source = open_source(str(tmp_path), CROP, needs=LABELS)
    assert {int(red) for batch in batches(source, steps=4) for red in batch.pixels[:, 0, 0, 0]} == {4}
    for text in ("it has no image/segmentation", "960 bytes, not those of 24x20", "holds 200, outside", "no image/enc"):
        assert text in caplog.text
    caption = open_source(str(tmp_path), CROP, needs=frozenset({"text"}))
    with pytest.raises(NicError, match="samples in a row are broken"):
        batches(caption, steps=1)
    assert "hold no captions" in caplog.text


def test_what_is_no_example_is_broken():
    with pytest.raises(NicError, match=r"it is no tf\.train\.Example"):
        tfrecords.Record("a", b"\xff\xff").decode(frozenset())
    assert not Example.FromString(b"").features.feature


def test_without_the_package_one_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "crc32c", None)
    with pytest.raises(NicError, match=r"nic-train\[tfrecord\]"):
        open_source(str(folder), CROP)
