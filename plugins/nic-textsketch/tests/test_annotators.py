"""Annotators by controlnet-aux's own detectors; those of depth and regions around networks with random weights."""

import inspect
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from nic_core.errors import BadWeights, NicError
from nic_core.pictures.picture import Picture
from nic_textsketch.config import PICS
from nic_textsketch.sketches.annotators import ANNOTATORS, detector_class, load_annotator, paint, quietly

PICTURE = Picture(np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8))


def package(name):
    """Import the module of an annotator, or skip the test."""
    pytest.importorskip("cv2")
    return sys.modules[detector_class(ANNOTATORS[name]).__module__]


@pytest.mark.parametrize("name", ANNOTATORS)
def test_detectors_take_what_they_are_given(name):
    pytest.importorskip("cv2")
    annotator = ANNOTATORS[name]
    kind = detector_class(annotator)
    inspect.signature(kind.__call__).bind(None, None, **dict.fromkeys(annotator.resolutions, 64), output_type="pil")
    named = {item for item in inspect.signature(kind.__call__).parameters if item.endswith("_resolution")}
    assert named == set(annotator.resolutions)
    if annotator.weights:
        inspect.signature(kind.from_pretrained).bind("folder", filename=annotator.weights[0], **annotator.settings)
        assert annotator.megabytes
    else:
        kind()


def test_every_annotator_has_a_controlnet():
    assert set(PICS.controlnets) == set(ANNOTATORS)


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


@pytest.fixture
def segmentation(monkeypatch, tmp_path):
    """MobileSAM with random weights and a quick encoder, asked about 4 points, not 1024; the file of its weights."""
    module = package("segmentation")

    class Encoder(torch.nn.Conv2d):
        img_size = 1024

        def __init__(self):
            super().__init__(3, 256, 1)

        def forward(self, x):
            return super().forward(torch.nn.functional.avg_pool2d(x, 16))

    whole = module.sam_model_registry["vit_t"]

    def network(checkpoint=None):
        sam = whole()
        sam.image_encoder = Encoder()
        if checkpoint:
            sam.load_state_dict(torch.load(checkpoint, weights_only=True))
        return sam

    monkeypatch.setitem(module.sam_model_registry, "vit_t", network)
    # Weights that have learned nothing are sure of nothing.
    few = partial(
        module.SamAutomaticMaskGenerator, points_per_side=2, pred_iou_thresh=-1e9, stability_score_thresh=-1.0
    )
    monkeypatch.setattr(module, "SamAutomaticMaskGenerator", few)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(network().state_dict(), tmp_path / "mobile_sam.pt")
    return tmp_path / "mobile_sam.pt"


def test_regions_are_the_same_every_time(segmentation):
    draw = load_annotator("segmentation", 64, segmentation, "cpu")
    np.random.seed(0)
    first = draw(PICTURE)
    assert first.pixels.shape == (64, 128, 1)
    assert first.pixels.max() > 0
    np.random.seed(1)
    assert np.array_equal(draw(PICTURE).pixels, first.pixels)


def test_a_picture_without_regions_is_black(segmentation, monkeypatch):
    module = package("segmentation")
    never = partial(module.SamAutomaticMaskGenerator, pred_iou_thresh=1e9)
    monkeypatch.setattr(module, "SamAutomaticMaskGenerator", never)
    sketch = load_annotator("segmentation", 64, segmentation, "cpu")(PICTURE)
    assert sketch.pixels.shape == (64, 128, 1)
    assert not sketch.pixels.any()


def region(*box):
    mask = np.zeros((64, 64), bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return {"segmentation": mask, "area": int(mask.sum())}


def test_regions_differ_and_small_ones_lie_over_large_ones():
    regions = [region(8 * row, 8 * column, 8 * row + 6, 8 * column + 6) for row in range(8) for column in range(8)]
    gray = paint([*regions, region(0, 0, 60, 64)])
    assert (gray.shape, gray.dtype) == ((64, 64), np.uint8)
    assert not gray[62:].any()
    levels = np.unique(gray[0:60])
    assert len(levels) == 65  # each region, and the one below them
    assert levels.min() >= 64
    neighbours = np.abs(np.diff(gray[::8, ::8].astype(int)))
    assert neighbours.min() > 50
    assert np.array_equal(paint([]), [[0]])


def test_weights_of_something_else_are_refused(small_depth, segmentation):
    for name, others in (("depth", segmentation), ("segmentation", small_depth)):
        with pytest.raises(BadWeights, match=f"{others.name} holds no weights of the annotator {name}: get them"):
            load_annotator(name, 64, others, "cpu")


@pytest.mark.parametrize("name", ["depth", "segmentation"])
def test_offline_the_command_is_said(monkeypatch, tmp_path, name):
    package(name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NicError, match=f"'hf download {ANNOTATORS[name].repository} .* --local-dir annotators'"):
        load_annotator(name, 64, None, "cpu")


def test_nothing_is_warned_of(small_depth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_annotator("depth", 64, small_depth, "cpu")(PICTURE)
