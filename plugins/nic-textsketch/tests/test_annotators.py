"""Annotators by controlnet-aux's own detectors and transformers' models, around networks with random weights."""

import inspect
import sys
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
import tiny_segmentation
import torch
from nic_core.errors import BadOption, BadWeights, NicError
from nic_core.pictures.picture import Picture
from nic_textsketch.config import PICS
from nic_textsketch.plugin import DRAWING
from nic_textsketch.sketches import annotators
from nic_textsketch.sketches.ade20k import PALETTE
from nic_textsketch.sketches.annotators import ANNOTATORS, Settings, controlnet_for, load_annotator
from nic_textsketch.sketches.detectors import detector_class, quietly
from safetensors.torch import load_file, save_file

PICTURE = Picture(np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8))


def package(name):
    """Import the module of an annotator, or skip the test."""
    pytest.importorskip("cv2")
    return sys.modules[detector_class(ANNOTATORS[name].module, ANNOTATORS[name].detector).__module__]


@pytest.mark.parametrize("name", [name for name, annotator in ANNOTATORS.items() if annotator.module])
def test_detectors_take_what_they_are_given(name):
    pytest.importorskip("cv2")
    annotator = ANNOTATORS[name]
    kind = detector_class(annotator.module, annotator.detector)
    given = {**annotator.call, **dict.fromkeys((*annotator.resolutions, *annotator.heeds.values()), 64)}
    bound = inspect.signature(kind.__call__).bind(None, None, **given, output_type="pil")
    assert not bound.kwargs.keys() - inspect.signature(kind.__call__).parameters.keys()
    named = {item for item in inspect.signature(kind.__call__).parameters if item.endswith("_resolution")}
    assert named == set(annotator.resolutions)
    if annotator.weights:
        inspect.signature(kind.from_pretrained).bind("folder", filename=annotator.weights[0], **annotator.settings)
        assert annotator.megabytes
    else:
        kind()


def test_every_annotator_has_a_controlnet():
    assert set(PICS.controlnets) == {annotator.follows or name for name, annotator in ANNOTATORS.items()}
    assert controlnet_for("normal_midas", PICS) == "normal_bae"
    own = replace(PICS, controlnets={**PICS.controlnets, "normal_midas": PICS.base})
    assert controlnet_for("normal_midas", own) == "normal_midas"


def line(draw):
    """Draw a photograph with a dark line from top to bottom; return the mean of the sketch's columns."""
    pixels = np.full((200, 300, 3), 200, np.uint8)
    pixels[:, 145:155] = 20
    sketch = draw(Picture(pixels)).pixels
    assert sketch.shape == (64, 128, 1)  # of the size asked for, where detectors return the photograph's own
    return sketch[..., 0].mean(0)


def test_lines_without_weights():
    package("lineart_standard")
    columns = line(load_annotator("lineart_standard", 64, None, "cpu"))
    assert columns[62:66].min() > 100
    assert columns[:40].max() < 10


@pytest.mark.parametrize("name", ["anyline", "teed"])
def test_lines_around_a_network_without_any(name, tmp_path):
    """It leaves everything undecided, gray; anyline adds the lines that it finds by itself."""
    package(name)
    network = sys.modules["controlnet_aux.teed.ted"].TED()
    for parameter in network.parameters():
        parameter.data.zero_()
    path = tmp_path / ANNOTATORS[name].weights[0]
    path.parent.mkdir(exist_ok=True)
    torch.save(network.state_dict(), path)
    for weights in (tmp_path, path):
        columns = line(load_annotator(name, 64, weights, "cpu"))
        assert set(columns[:40]) == {127}
        assert (columns[62:66].min() > 150) == (name == "anyline")


def test_detectors_neither_print_nor_read_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nic", "sketches", "--output", "edges"])
    with quietly():
        print("loading")
        assert sys.argv == ["nic"]
    assert sys.argv[1:] == ["sketches", "--output", "edges"]
    assert not capsys.readouterr().out


@pytest.fixture
def small_depth(monkeypatch, tmp_path):
    """A network with the place of MiDaS, which has half a gigabyte; return the file of its weights."""
    package("depth")
    api = sys.modules["controlnet_aux.midas.api"]

    class Network(torch.nn.Conv2d):
        def __init__(self, path, backbone, non_negative):
            super().__init__(3, 1, 1)
            assert backbone == "vitb_rn50_384"
            self.load_state_dict(torch.load(path, weights_only=True))

        def forward(self, x):
            return super().forward(x).squeeze(1)

    monkeypatch.setattr(api, "DPTDepthModel", Network)
    path = tmp_path / ANNOTATORS["depth"].weights[0]
    torch.save({"weight": torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1), "bias": torch.zeros(1)}, path)
    return path


def test_depth_fills_the_range_of_grays(small_depth):
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[..., 0] = np.linspace(50, 200, 128)
    for weights in (small_depth, small_depth.parent):
        sketch = load_annotator("depth", 64, weights, "cpu")(Picture(pixels)).pixels
        assert sketch.shape == (64, 128, 1)
        assert np.array_equal(sketch[0, [0, -1], 0], [0, 255])
        assert (np.diff(sketch[0, :, 0].astype(int)) >= 0).all()


@pytest.fixture(scope="module")
def segmentation(tmp_path_factory):
    """The folder of a tiny SegFormer that takes all of every picture for trees."""
    return tiny_segmentation.write_segformer(tmp_path_factory.mktemp("segformer"), always=4)


def test_normals_are_red_to_the_left_green_up_and_blue_to_the_viewer(small_depth):
    """Of a ball, which MiDaS's depth here is the brighter the nearer it is."""
    steep = {"weight": torch.tensor([99.0, 0, 0]).reshape(1, 3, 1, 1), "bias": torch.zeros(1)}
    torch.save(steep, small_depth)  # MiDaS's own depths are in the thousands
    y, x = np.mgrid[:64, :128]
    height = np.sqrt(np.maximum(900 - (x - 64.0) ** 2 - (y - 32.0) ** 2, 0))
    ball = np.repeat((60 + 6 * height)[..., None], 3, 2).astype(np.uint8)
    sketch = load_annotator("normal_midas", 64, small_depth, "cpu")(Picture(ball)).pixels.astype(int)
    assert sketch.shape == (64, 128, 3)
    red, green, blue = np.moveaxis(sketch, 2, 0)
    assert red[32, 46] > 140 > 115 > red[32, 82]
    assert green[14, 64] > 140 > 115 > green[50, 64]
    assert blue[32, 64] > 200
    assert abs(sketch[32, 64, :2] - 127).max() < 10


@pytest.mark.parametrize("write", [tiny_segmentation.write_segformer, tiny_segmentation.write_upernet])
def test_classes_are_drawn_in_their_colours(write, tmp_path):
    """By networks with random weights of which each class is told apart from the others by chance."""
    place = write(tmp_path / "model")
    draw = load_annotator("segmentation", 64, place, "cpu")
    sketch = draw(PICTURE)
    assert sketch.pixels.shape == (64, 128, 3)
    seen = np.unique(sketch.pixels.reshape(-1, 3), axis=0)
    assert {tuple(colour) for colour in seen} <= {tuple(colour) for colour in PALETTE}
    assert np.array_equal(draw(PICTURE).pixels, sketch.pixels)


def test_a_class_has_its_colour(segmentation):
    sketch = load_annotator("segmentation", 64, segmentation, "cpu")(PICTURE)
    assert np.array_equal(np.unique(sketch.pixels.reshape(-1, 3), axis=0), [[4, 200, 3]])


def test_a_model_of_other_classes_or_with_parameters_missing_is_refused(tmp_path):
    with pytest.raises(BadWeights, match="tells 19 classes apart; ADE20K has 150"):
        load_annotator("segmentation", 64, tiny_segmentation.write_segformer(tmp_path / "a", classes=19), "cpu")
    place = tiny_segmentation.write_segformer(tmp_path / "b")
    tensors = load_file(place / "model.safetensors")
    tensors.pop("decode_head.classifier.weight")
    save_file(tensors, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadWeights, match=r"lacks parameters of its model, decode_head.classifier.weight for one"):
        load_annotator("segmentation", 64, place, "cpu")
    (place / "model.safetensors").unlink()
    with pytest.raises(NicError, match=r"it has no model.safetensors or pytorch_model.bin: get them \(330 MB\)"):
        load_annotator("segmentation", 64, place, "cpu")


def test_models_that_are_there_need_no_download(segmentation, tmp_path, monkeypatch):
    (tmp_path / "openmmlab").mkdir()
    (tmp_path / "openmmlab" / "upernet-convnext-small").symlink_to(segmentation)
    assert load_annotator("segmentation", 64, None, "cpu", models=tmp_path)(PICTURE).pixels.any()
    monkeypatch.setenv("NIC_MODELS", str(tmp_path))
    assert load_annotator("segmentation", 64, None, "cpu")(PICTURE).pixels.any()


def test_canny_heeds_its_thresholds():
    package("canny")

    steps = np.repeat(np.cumsum([20, 10, 40, 120]).astype(np.uint8), 32)
    picture = Picture(np.broadcast_to(steps[None, :, None], (64, 128, 3)))

    def edges(**settings):
        return load_annotator("canny", 64, None, "cpu", Settings(**settings))(picture).pixels.mean()

    usual = edges()
    assert edges(canny_low=100, canny_high=200) == usual
    assert edges(canny_low=400, canny_high=600) < usual < edges(canny_low=10, canny_high=20)


def test_detectors_are_told_what_they_heed(monkeypatch):
    told = []

    class Detector:
        @classmethod
        def from_pretrained(cls, *given, **named):
            return cls()

        def __call__(self, photograph, **named):
            told.append(named)
            return photograph

    monkeypatch.setattr(annotators, "detector_class", lambda *named: Detector)
    monkeypatch.setattr(annotators, "_with_weights", lambda kind, *others: kind())
    load_annotator("mlsd", 64, None, "cpu", Settings(mlsd_score=0.2, mlsd_distance=3.0))(PICTURE)
    load_annotator("openpose", 64, None, "cpu", Settings(hands=True))(PICTURE)
    load_annotator("openpose", 64, None, "cpu")(PICTURE)
    assert (told[0]["thr_v"], told[0]["thr_d"]) == (0.2, 3.0)
    assert told[1]["include_hand"] is True
    assert "include_hand" not in told[2]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(canny_low=3), "--canny-low is for the annotator canny, not for hed"),
        (Settings(mlsd_distance=0.2), "--mlsd-distance is for the annotator mlsd, not for hed"),
        (Settings(hands=False), "--hands is for the annotator openpose, not for hed"),
    ],
)
def test_what_another_annotator_heeds_is_refused(settings, says):
    with pytest.raises(BadOption, match=says):
        load_annotator("hed", 64, None, "cpu", settings)


def test_the_settings_are_those_of_the_flags():
    assert [field.name for field in fields(Settings)] == [option.key for option in DRAWING]


def test_weights_of_something_else_are_refused(small_depth, segmentation):
    with pytest.raises(BadWeights, match=r"model\.safetensors holds no weights of the annotator depth: get them"):
        load_annotator("depth", 64, segmentation / "model.safetensors", "cpu")
    with pytest.raises(NicError, match=f"{small_depth} is no folder of the annotator segmentation"):
        load_annotator("segmentation", 64, small_depth, "cpu")


@pytest.mark.parametrize("name", ["depth", "segmentation"])
def test_offline_the_command_is_said(monkeypatch, tmp_path, name):
    pytest.importorskip("cv2")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NicError, match=f"'hf download {ANNOTATORS[name].repository} .*--local-dir annotators'"):
        load_annotator(name, 64, None, "cpu")


def test_nothing_is_warned_of(small_depth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_annotator("depth", 64, small_depth, "cpu")(PICTURE)
