from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import DamagedFile
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_eval.report import gallery
from nic_eval.results import Curve, Measurement, Original, Point, Results
from PIL import Image, ImageCms

RATES = (0.2, 0.4, 0.6, 1.1)


@pytest.fixture
def originals(tmp_path: Path) -> dict[str, Path]:
    generator = np.random.default_rng(1)
    paths = {}
    for name in ("a.png", "b.png", "c.png"):
        paths[name] = tmp_path / name
        image_files.write(Picture(generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)), paths[name])
    return paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "report"
    (path / "files").mkdir(parents=True)
    return path


def measured(folder: Path, originals: dict[str, Path]) -> Results:
    """One codec whose coded files hold nothing but their own name."""
    points = []
    for rate in RATES:
        items = []
        for name in originals:
            file = f"files/{name}-{rate}"
            (folder / file).write_text(file)
            items.append(Measurement(name, 9, rate, {"psnr": 30.0}, 0.1, 0.1, 1, file))
        points.append(Point(f"rate {rate}", None, rate, {"psnr": 30.0}, tuple(items)))
    published = Curve("paper", "published", (Point("1", None, 0.5, {"psnr": 30.0}, ()),))
    return Results(
        "d", tuple(Original(n, 30, 20) for n in originals), (Curve("mini", "codec", tuple(points)), published)
    )


class Decoder:
    """Decodes to a picture of one value, and counts."""

    def __init__(self, shape: tuple[int, ...] = (20, 30, 3)) -> None:
        self.shape = shape
        self.calls: list[tuple[str, str]] = []

    def __call__(self, curve: str, path: Path) -> np.ndarray:
        self.calls.append((curve, path.name))
        return np.full(self.shape, int(100 * float(path.name.split("-")[1])), np.uint8)


def test_keeps_the_nearest_measurement_of_each_rate(originals, folder):
    decoder = Decoder()
    results = gallery.add(measured(folder, originals), folder, originals, decoder, rates=(0.25, 0.5, 9.0), count=2)
    kept = [[item.decoded != "" for item in point.measurements] for point in results.curves[0].points]
    # 0.2 is nearest to 0.25, 0.6 to 0.5 (by ratio), 1.1 to 9; the third picture is beyond the count
    assert kept == [[True, True, False], [False, False, False], [True, True, False], [True, True, False]]
    assert len(decoder.calls) == 6
    assert [item.file != "" for item in results.pictures] == [True, True, False]
    assert results.notes == ()


def test_other_curves_follow_the_codec_and_the_codec_what_they_can_match(originals, folder):
    def curve(name: str, kind: str, rates: tuple[float, ...]) -> Curve:
        items = [Measurement("a.png", 9, rate, {"psnr": 30.0}, 0.1, 0.1, 1, f"files/{name}-{rate}") for rate in rates]
        return Curve(name, kind, tuple(Point(f"{item.bpp}", None, item.bpp, {}, (item,)) for item in items))

    jpeg, mini = curve("jpeg", "baseline", (0.2, 0.34, 0.7, 3.0)), curve("mini", "codec", (0.22, 0.27, 0.35, 1.0))
    chosen = gallery.matching([jpeg, mini], "a.png", (0.25, 0.9))
    # 0.27 is nearest to 0.25, but jpeg comes nearer to 0.22; to 1.0 it has nothing nearer than 0.7
    assert [(curve.name, item.bpp) for curve, item in chosen] == [
        ("jpeg", 0.2),
        ("jpeg", 0.7),
        ("mini", 0.22),
        ("mini", 1.0),
    ]


def test_one_measurement_for_several_rates_is_kept_once(originals, folder):
    decoder = Decoder()
    gallery.add(measured(folder, originals), folder, originals, decoder, rates=(0.1, 0.15, 0.2), count=1)
    assert decoder.calls == [("mini", "a.png-0.2")]


def test_copies_are_lossless(originals, folder):
    results = gallery.add(measured(folder, originals), folder, originals, Decoder(), count=1)
    copy = image_files.read(folder / results.pictures[0].file)
    assert np.array_equal(copy.pixels, image_files.read(originals["a.png"]).pixels)
    decoded = results.curves[0].points[0].measurements[0].decoded
    assert decoded.startswith("pictures/") and decoded.endswith(".webp")
    assert (image_files.read(folder / decoded).pixels == 20).all()


def test_a_second_run_decodes_only_what_changed(originals, folder):
    first = measured(folder, originals)
    before = gallery.add(first, folder, originals, Decoder(), count=2)
    again = Decoder()
    assert gallery.add(first, folder, originals, again, count=2) == before
    assert again.calls == []
    (folder / first.curves[0].points[0].measurements[0].file).write_text("coded in another way")
    gallery.add(first, folder, originals, again, count=2)
    assert again.calls == [("mini", "a.png-0.2")]


def test_other_weights_are_decoded_anew(originals, folder):
    results = measured(folder, originals)
    gallery.add(results, folder, originals, Decoder(), count=1)
    other = replace(results, curves=(replace(results.curves[0], description="weights 2"),))
    again = Decoder()
    gallery.add(other, folder, originals, again, count=1)
    assert len(again.calls) == 3


def test_large_pictures_are_cut_to_their_middle(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(gallery, "LARGEST", 10)
    ramp = np.arange(20 * 8 * 3, dtype=np.uint32).reshape(20, 8, 3).astype(np.uint8)
    originals = {"a.png": tmp_path / "a.png"}
    image_files.write(Picture(ramp), originals["a.png"])
    results = gallery.add(measured(folder, originals), folder, originals, Decoder(ramp.shape), count=1)
    assert np.array_equal(image_files.read(folder / results.pictures[0].file).pixels, ramp[5:15])


def test_both_sides_are_upright_and_in_the_same_colours(tmp_path, folder):
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (12, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    originals = {"a.png": tmp_path / "a.png"}
    image.save(originals["a.png"], exif=exif, icc_profile=icc)
    results = gallery.add(measured(folder, originals), folder, originals, Decoder((12, 30, 3)), count=1)
    for file in (results.pictures[0].file, results.curves[0].points[0].measurements[0].decoded):
        copy = image_files.read(folder / file)
        assert (copy.width, copy.height, copy.icc, copy.exif) == (12, 30, icc, None)


def test_gray_and_16_bits_become_rgb_of_8(tmp_path, folder):
    originals = {"a.png": tmp_path / "a.png"}
    image_files.write(Picture(np.full((20, 30, 1), 257 * 50, np.uint16)), originals["a.png"])
    results = gallery.add(measured(folder, originals), folder, originals, Decoder(), count=1)
    copy = image_files.read(folder / results.pictures[0].file)
    assert copy.pixels.shape == (20, 30, 3)
    assert (copy.pixels == 50).all()


def test_what_fails_is_a_note(originals, folder):
    def broken(curve: str, path: Path) -> np.ndarray:
        raise DamagedFile("the file is cut short")

    originals["b.png"].write_bytes(b"no picture")
    results = gallery.add(measured(folder, originals), folder, originals, broken, rates=(0.2,), count=3)
    assert [item.file != "" for item in results.pictures] == [True, False, True]
    assert len(results.notes) == 3
    assert results.notes[0].startswith("b.png is not among the page's pictures:")
    assert results.notes[1] == "a.png by mini is not among the page's pictures: the file is cut short"


def test_another_size_is_refused(originals, folder):
    results = gallery.add(measured(folder, originals), folder, originals, Decoder((8, 8, 3)), rates=(0.2,), count=1)
    assert results.curves[0].points[0].measurements[0].decoded == ""
    assert "another size" in results.notes[0]
