"""Training, and real files of any picture."""

import nic_core as nic
import numpy as np
import pytest
from nic_core import cli
from nic_core.errors import BadOption
from nic_core.weights import read_info
from nic_textsketch.sketches.recipe import SketchRecipe
from PIL import Image


def test_weights_say_what_they_are(weights):
    info = read_info(weights)
    assert (info.codec, info.config, info.lmbda, info.quality) == ("textsketch-ntc", {"width": 16}, 1.0, None)


def test_the_bundled_weights_draw_what_they_are_given(sketches):
    """They are trained: a drawing comes back as itself, from few bytes."""
    codec = nic.load("textsketch-ntc", "small", device="cpu")
    for path in sketches.iterdir():
        drawing = Image.open(path).resize((512, 448), Image.Resampling.BICUBIC)
        data = codec.encode(drawing)
        assert 8 * len(data) / (512 * 448) < 0.05
        original, decoded = (np.asarray(image, float) for image in (drawing, codec.decode(data)))
        assert np.corrcoef(original.ravel(), decoded.ravel())[0, 1] > 0.9
        other = np.roll(original, 16, axis=1)
        assert np.corrcoef(other.ravel(), decoded.ravel())[0, 1] < 0.6


def test_the_bundled_weights_open_without_torch(sketches):
    """They hold graphs: the same files, and pictures within one level."""
    pytest.importorskip("onnxruntime")
    graphs, modules = (nic.load("textsketch-ntc", "small", "cpu", runtime) for runtime in ("onnx", "torch"))
    drawing = Image.open(sketches / "a.png").resize((256, 192), Image.Resampling.BICUBIC)
    data = modules.encode(drawing)
    assert graphs.encode(drawing) == data
    assert (graphs.runtimes, modules.runtimes) == ("onnxruntime", "torch")
    one, other = (np.asarray(codec.decode(data), int) for codec in (graphs, modules))
    assert np.abs(one - other).max() <= 1


def test_colour_becomes_gray_as_in_pillow(weights):
    codec = nic.load("textsketch-ntc", weights, device="cpu")
    colour = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 90, 3), np.uint8))
    data = codec.encode(colour)
    assert nic.inspect(data).channels == 1
    assert data == codec.encode(colour.convert("L"))
    assert codec.decode(data).mode == "L"


def test_files_from_the_command_line(weights, sketches, tmp_path):
    out = tmp_path / "out"
    coded = ["encode", sketches, "-o", out, "--codec", "textsketch-ntc", "--weights", weights]
    assert cli.run([*map(str, coded)]) == 0
    assert cli.run([*map(str, ["decode", out, "-o", tmp_path / "back", "--weights", weights])]) == 0
    for path in sketches.iterdir():
        original, decoded = Image.open(path), Image.open(tmp_path / "back" / path.name)
        assert (decoded.size, decoded.mode) == (original.size, "L")


@pytest.mark.parametrize(("values", "says"), [({"width": 9}, "even number"), ({"crop": 128}, "above 160")])
def test_values_that_cannot_be_are_refused(values, says):
    with pytest.raises(BadOption, match=says):
        SketchRecipe("textsketch-ntc", **values)
