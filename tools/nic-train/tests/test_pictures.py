"""Folders of pictures: what is found, what is refused and said of it, and what tells two sets apart."""

import dataclasses
import json
import multiprocessing

import numpy as np
import pytest
from nic_core.errors import NicError
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_train.data.pictures import Broken, DataRecord, find_pictures, in_threads, read_rgb, read_size, scan
from PIL import Image


def test_any_tree_is_found_in_order(tmp_path, make_pictures):
    make_pictures(tmp_path / "b", 2)
    make_pictures(tmp_path / "a" / "deeper", 1)
    (tmp_path / "a" / "LOUD.JPG").write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("")
    (tmp_path / "a" / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert found == ["a/LOUD.JPG", "a/deeper/0.png", "b/0.png", "b/1.png"]


def test_no_folder_and_no_pictures_are_errors(tmp_path):
    with pytest.raises(NicError, match="is not a folder"):
        find_pictures(tmp_path / "missing")
    with pytest.raises(NicError, match="no pictures below"):
        find_pictures(tmp_path)


def test_unreadable_and_small_files_are_counted_and_named_once(tmp_path, make_pictures, caplog):
    make_pictures(tmp_path, 2)
    make_pictures(tmp_path / "small", 1, (100, 70))
    for i in range(21):
        (tmp_path / f"broken{i:02}.jpg").write_bytes(b"not a picture")
    pictures = scan(tmp_path, 80)
    assert pictures.names == ("0.png", "1.png")
    assert pictures.sizes == ((96, 80), (96, 80))
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("22 of 24 pictures left out, unreadable or below 80 pixels: broken00.jpg, ")
    assert caplog.messages[0].endswith("broken19.jpg and 2 more")
    with pytest.raises(NicError, match=r"none of 24 pictures .* at least 81 pixels"):
        scan(tmp_path, 81, quiet=True)
    assert len(caplog.messages) == 1


def test_a_folder_can_be_left_out(tmp_path, make_pictures):
    make_pictures(tmp_path, 1)
    make_pictures(tmp_path / "labels", 2)
    assert scan(tmp_path, 1, without=tmp_path / "labels").names == ("0.png",)


def test_pixels_are_those_that_are_stored(tmp_path):
    """Turned by EXIF, deep, gray or with alpha: sizes and pixels are what a codec is given."""
    rng = np.random.default_rng(0)
    turned, exif = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)), Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    deep = rng.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    image_files.write(Picture.of(deep), tmp_path / "deep.tif")
    image_files.write(Picture.of(deep[..., 0]), tmp_path / "gray.png")
    image_files.write(
        Picture.of(np.dstack([np.asarray(turned), deep[..., 0].astype(np.uint8)])), tmp_path / "alpha.png"
    )

    for path in find_pictures(tmp_path):
        assert read_size(path) == (30, 20)
        assert read_rgb(path).shape == (20, 30, 3)
    assert np.array_equal(read_rgb(tmp_path / "turned.png"), np.asarray(turned))
    assert np.array_equal(read_rgb(tmp_path / "alpha.png"), np.asarray(turned))
    assert np.array_equal(read_rgb(tmp_path / "deep.tif"), np.round(deep / 257).astype(np.uint8))
    assert np.array_equal(read_rgb(tmp_path / "gray.png")[..., 2], np.round(deep[..., 0] / 257).astype(np.uint8))


def test_records_say_what_differs(tmp_path, make_pictures):
    record = scan(make_pictures(tmp_path / "a", 3), 1).record()
    moved = scan(make_pictures(tmp_path / "b", 3), 1).record()
    assert record == DataRecord(**json.loads(json.dumps(dataclasses.asdict(moved))))
    assert record.difference(moved) is None

    (tmp_path / "a/2.png").rename(tmp_path / "a/3.png")
    assert "other names" in record.difference(scan(tmp_path / "a", 1).record())
    Image.new("RGB", (96, 80)).save(tmp_path / "b/1.png")
    assert "other contents" in record.difference(scan(tmp_path / "b", 1).record())
    (tmp_path / "b/1.png").unlink()
    assert record.difference(scan(tmp_path / "b", 1).record()) == "3 files then, 2 now"
    assert "captions" in record.difference(dataclasses.replace(record, annotations="other"))


def test_broken_files_are_named_once_over_all_processes(caplog):
    broken = Broken()
    worker = multiprocessing.get_context("fork").Process(target=broken.add, args=("a.png", "a.png: broken"))
    worker.start()
    worker.join()
    assert broken.count() == 1
    broken.add("a.png", "a.png: broken")
    assert "a.png" in broken
    assert caplog.messages == []
    for i in range(30):
        broken.add(f"{i}.png", f"{i}.png: broken")
    assert len(caplog.messages) == 20
    assert "not named" in caplog.messages[-1]


def test_threads_keep_the_order():
    numbers = range(5000)
    assert list(in_threads(lambda number: number + 1, numbers, "adding", quiet=True)) == list(range(1, 5001))
