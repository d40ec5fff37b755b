"""Reading the authors' checkpoints, through TensorFlow where it is installed, and refusing others in one line."""

import sys

import numpy as np
import pytest
import torch
from egic_reference import GOLDEN, SMALL, nested, published, small_model, variables
from nic_core.errors import BadWeights, NicError
from nic_core.weights import read_info
from nic_egic import importer
from nic_egic.codec import EgicCodec
from nic_egic.config import EgicConfig
from nic_egic.importer import codec_state, import_checkpoint, infer_config, published_name
from nic_egic.variables import prefix_of, read_variables
from nic_nn.testing import picture


@pytest.fixture(scope="module")
def model():
    return small_model(orp=True)


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return the function that imports variables as if TensorFlow had read them."""

    def load(found):
        monkeypatch.setattr(importer, "read_variables", lambda path: found)
        return import_checkpoint.load(tmp_path / "ckpt")

    return load


def test_our_names_are_those_of_the_reference():
    named = codec_state(variables(orp=True))
    assert infer_config(named) == EgicConfig(support=5, orp=True)
    assert {published_name(name) for name, _ in importer.Egic(infer_config(named)).named_parameters()} == set(named)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda v: v, id="checkpoint"),
        pytest.param(lambda v: {name.removeprefix("model/"): value for name, value in v.items()}, id="without-model"),
        pytest.param(
            lambda v: {
                **v,
                "save_counter": np.zeros(()),
                "model/alpha": np.zeros(()),
                "model/disc/layer_with_weights-0/conv1/_naked_clone_layer/kernel": np.zeros(3),
                "model/synthesis_transform/_naked_clone_layer/kernel": np.zeros(3),
                "optimizer/iter": np.zeros(()),
            },
            id="training",
        ),
    ],
)
def test_sizes_are_inferred_and_weights_kept(change, load, model):
    found = load(change(published(model)))
    assert found.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))


def test_weights_without_a_second_head(load):
    assert load(published(small_model())).config == SMALL


def test_no_limit_of_support_is_the_default(load):
    unlimited = importer.Egic(EgicConfig(**{**vars(SMALL), "support": 10}))
    assert load(published(unlimited)).config.support == 10


def test_missing_and_misshapen_variables_are_named(load, model):
    changed = published(model)
    del changed["model/cc_scale_transforms/3/transform/layer_with_weights-1/_bias_parameter"]
    changed["model/hyperprior/_base/_matrices/1"] = np.zeros((16, 2, 2), np.float32)
    with pytest.raises(BadWeights) as caught:
        load(changed)
    message = str(caught.value)
    assert "no checkpoint of egic" in message and "\n" not in message
    assert "1 missing (cc_scale_transforms/3/transform/layer_with_weights-1/_bias_parameter)" in message
    assert "1 of another shape (hyperprior/_base/_matrices/1)" in message


@pytest.mark.parametrize("names", [["layer/kernel"], ["model/hyperprior/_base/_matrices/0"], []], ids=str)
def test_other_checkpoints_are_refused_in_one_line(names, load):
    with pytest.raises(BadWeights) as caught:
        load({name: np.zeros((3, 3), np.float32) for name in names})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_a_checkpoint_is_found_by_any_of_its_names(tmp_path):
    touch(tmp_path / "one", "ckpt.index", "ckpt.data-00000-of-00001")
    for name in ("one", "one/ckpt", "one/ckpt.index"):
        assert prefix_of(tmp_path / name) == tmp_path / "one/ckpt"
    touch(tmp_path / "saved/variables", "variables.index")
    for name in ("saved", "saved/variables"):
        assert prefix_of(tmp_path / name) == tmp_path / "saved/variables/variables"
    touch(tmp_path / "run", "ckpt-9.index", "ckpt-10.index")
    with pytest.raises(BadWeights, match="2 checkpoints: name one of them"):
        prefix_of(tmp_path / "run")
    (tmp_path / "run/checkpoint").write_text('model_checkpoint_path: "ckpt-10"\nall_model_checkpoint_paths: "ckpt-9"\n')
    assert prefix_of(tmp_path / "run") == tmp_path / "run/ckpt-10"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_path_without_a_checkpoint_is_refused(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadWeights, match=name):
        read_variables(tmp_path / name)


def test_without_tensorflow_the_error_says_what_to_install(tmp_path, monkeypatch):
    touch(tmp_path, "ckpt.index")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(NicError, match=r"pip install 'nic-egic\[tf\]'") as caught:
        import_checkpoint("egic", tmp_path, tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_variables_that_are_named_by_their_number_are_found(tmp_path, model):
    """As in SavedModels."""
    tensorflow = pytest.importorskip("tensorflow")
    root = tensorflow.Module()
    expected = {name.removeprefix("model/"): value for name, value in published(model).items()}
    numbered = tensorflow.Module()
    for index, variable in enumerate(nested(tensorflow, root, expected)):
        numbered._track_trackable(variable, str(index))
    root._track_trackable(numbered, "variables")
    (tmp_path / "variables").mkdir()
    tensorflow.train.Checkpoint(root).write(str(tmp_path / "variables/variables"))
    keys = [name for name, _ in tensorflow.train.list_variables(str(tmp_path / "variables/variables"))]
    assert any(key.startswith("variables/0/") for key in keys)
    found = read_variables(tmp_path)
    assert expected.keys() <= found.keys()
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


@torch.inference_mode()
def test_reference_through_tensorflow(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    root = tensorflow.Module()
    nested(tensorflow, root, variables(orp=True))
    tensorflow.train.Checkpoint(root).write(str(tmp_path / "ckpt"))
    output = tmp_path / "w.safetensors"
    info = import_checkpoint("egic", tmp_path, output)
    written = read_info(output)
    assert (written.codec, written.entropy_id) == ("egic", info.entropy_id)
    assert EgicCodec(output, written, "cpu").loaded.integers is not None
    model = import_checkpoint.load(tmp_path).double()  # as in test_model.py; the file's own has weights of 12 bits
    expected = np.load(GOLDEN / "egic.npz")["x_hat"]
    error = np.abs(255 * model(picture().double())["x_hat"][..., ::8, ::8].numpy() - expected)
    assert np.quantile(error, 0.99) < 1e-3 * expected.std()


def test_foreign_bytes_are_refused_by_tensorflow_in_one_line(tmp_path):
    pytest.importorskip("tensorflow")
    (tmp_path / "ckpt.index").write_bytes(b"not a checkpoint at all\n")
    with pytest.raises(BadWeights, match="no TensorFlow checkpoint") as caught:
        read_variables(tmp_path)
    assert "\n" not in str(caught.value)
