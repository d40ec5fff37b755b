"""`nic sketches`: edge maps of photographs, by a stand-in for controlnet-aux and by its own Canny."""

import sys

import numpy as np
import pytest
import torch
from nic_core import cli
from nic_core.pictures.picture import Picture
from nic_textsketch.sketches import annotators
from nic_textsketch.sketches.annotators import ANNOTATORS, load_annotator
from PIL import Image


class Detector:
    """As those of controlnet-aux, with one number for weights: the brightest gray of the sketch."""

    def __init__(self, brightest=255):
        self.brightest = brightest

    @classmethod
    def from_pretrained(cls, folder, filename, **settings):
        if folder == "lllyasviel/Annotators":
            raise ConnectionError("no network")
        return cls(torch.load(f"{folder}/{filename}", weights_only=True)["brightest"])

    def to(self, device):
        return self

    def __call__(self, image, detect_resolution, image_resolution, output_type, **told):
        assert (image.mode, output_type) == ("RGB", "pil")
        assert detect_resolution == image_resolution
        return Image.new("RGB", (2 * image_resolution, image_resolution), (self.brightest,) * 3)


@pytest.fixture
def stand_in(monkeypatch):
    """Take the place of controlnet-aux."""
    monkeypatch.setattr(annotators, "detector_class", lambda *named: Detector)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "table5_pidinet.pth"
    torch.save({"brightest": 200}, path)
    return path


def draw(*arguments):
    return cli.run(["sketches", *map(str, arguments)])


@pytest.mark.parametrize("of_folder", [False, True])
def test_a_folder_becomes_gray_maps_and_goes_on_where_it_was(stand_in, weights, sketches, tmp_path, of_folder, capsys):
    named = ("--weights", weights.parent if of_folder else weights)
    out = tmp_path / "edges"
    (sketches / "inner").mkdir()
    Image.new("RGB", (40, 30)).save(sketches / "inner" / "c.jpg")
    assert draw(sketches, "-o", out, "--annotator", "pidinet", "--size", 128, *named) == 0
    maps = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert maps == ["a.png", "b.png", "inner/c.png"]
    with Image.open(out / "inner/c.png") as image:
        assert (image.mode, image.size, image.getextrema()) == ("L", (256, 128), (200, 200))
    (out / "a.png").unlink()
    (out / "b.png").write_bytes(b"kept")
    assert draw(sketches, "-o", out, "--annotator", "pidinet", *named) == 0
    assert capsys.readouterr().out.endswith("; 2 there already\n")
    assert (out / "b.png").read_bytes() == b"kept"
    with Image.open(out / "a.png") as image:
        assert image.size == (1024, 512)
    assert draw(sketches, "-o", out, "--annotator", "pidinet") == 0  # nothing left to load weights for


def test_a_broken_photograph_stops_nothing(stand_in, sketches, tmp_path, capsys):
    (sketches / "broken.jpg").write_bytes(b"no picture")
    assert draw(sketches, "-o", tmp_path / "edges", "--annotator", "canny") == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert len(list((tmp_path / "edges").iterdir())) == 2


def test_normals_are_in_colour_and_flags_reach_the_detector(stand_in, monkeypatch, sketches, tmp_path):
    told = []

    def answer(self, image, output_type, **named):
        told.append(named)
        return Image.new("RGB", image.size, (10, 20, 30))

    monkeypatch.setattr(Detector, "__call__", answer)
    torch.save({"brightest": 1}, tmp_path / "scannet.pt")
    out = tmp_path / "normals"
    assert draw(sketches, "-o", out, "--annotator", "normal_bae", "--weights", tmp_path, "--size", 64) == 0
    with Image.open(out / "a.png") as image:
        assert (image.mode, image.getpixel((0, 0))) == ("RGB", (10, 20, 30))
    assert draw(sketches, "-o", tmp_path / "lines", "--annotator", "canny", "--canny-low", 5, "--canny-high", 9) == 0
    assert told[0] == {"detect_resolution": 64, "image_resolution": 64}
    assert (told[-1]["low_threshold"], told[-1]["high_threshold"]) == (5, 9)


def test_an_interrupt_leaves_whole_files(stand_in, monkeypatch, sketches, tmp_path):
    answer = Detector.__call__
    calls = []

    def interrupted(self, image, **settings):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answer(self, image, **settings)

    monkeypatch.setattr(Detector, "__call__", interrupted)
    out = tmp_path / "edges"
    assert draw(sketches, "-o", out, "--annotator", "canny") == 130
    assert [path.name for path in out.iterdir()] == ["a.png"]
    assert draw(sketches, "-o", out, "--annotator", "canny") == 0
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--annotator", "pidinet"), 1, "table5_pidinet.pth --local-dir annotators', then give --weights annotators"),
        (("--annotator", "depth"), 1, "(493 MB) by 'hf download lllyasviel/Annotators dpt_hybrid-midas-501f0c75.pt --"),
        (("--annotator", "segmentation"), 1, "(330 MB) by 'hf download openmmlab/upernet-convnext-small --local-dir"),
        (("--annotator", "canny", "--hands"), 1, "--hands is for the annotator openpose, not for canny"),
        (("--annotator", "mlsd", "--mlsd-score", "2"), 1, "mlsd-score must be 0 to 1, not '2'"),
        (("--annotator", "pidinet", "--weights", "odd.pth"), 1, "odd.pth holds no weights of the annotator pidinet"),
        (
            ("--annotator", "lineart", "--weights", "odd.pth"),
            1,
            "has no file sk_model2.pth with weights of the annotator lineart: get them (34 MB)",
        ),
        (("--annotator", "canny", "--weights", "odd.pth"), 1, "the annotator canny has no weights"),
        (("--annotator", "canny", "--size", "100"), 2, "--size must be a multiple of 64, not 100"),
        (("--annotator", "crayon"), 2, "'crayon' is not one of"),
        (("--annotator", "pidinet", "--weights", "none.pth"), 2, "none.pth"),
    ],
)
def test_what_is_wrong_is_said(stand_in, monkeypatch, sketches, tmp_path, capsys, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.pth").write_bytes(b"no weights")
    assert draw(sketches, "-o", tmp_path / "edges", *arguments) == code
    assert says in capsys.readouterr().err


def test_without_the_package(monkeypatch, sketches, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)
    assert draw(sketches, "-o", tmp_path / "edges") == 1
    assert "pip install 'nic-textsketch[annotators]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, annotator in ANNOTATORS.items() if annotator.module])
def test_every_annotator_is_there(name):
    pytest.importorskip("cv2")
    annotator = ANNOTATORS[name]
    assert annotators.detector_class(annotator.module, annotator.detector).__name__ == annotator.detector
    assert "controlnet_aux" not in sys.modules


def test_canny_finds_the_edge_of_a_square():
    pytest.importorskip("cv2")
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, 100:] = 255
    sketch = load_annotator("canny", 64)(Picture(pixels)).pixels
    assert sketch.shape == (64, 128, 1)
    assert set(np.flatnonzero(sketch[..., 0].max(0))) <= set(range(62, 66))
    assert sketch.max() == 255
