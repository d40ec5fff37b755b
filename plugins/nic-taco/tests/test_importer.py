"""Reading the authors' checkpoints, and refusing everything else in one line."""

import pytest
import torch
from nic_core.errors import BadWeights
from nic_core.weights import read_info
from nic_taco.codec import TacoCodec
from nic_taco.importer import import_checkpoint, published_name
from taco_reference import SMALL, checkpoint, small_model, text


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture
def entries(model):
    """What the authors' training would save of the small model."""
    return {published_name(name): parameter.detach() for name, parameter in model.named_parameters()}


def save(content, folder):
    path = folder / "authors.pth.tar"
    torch.save(content, path)
    return path


def test_our_names_become_those_of_the_reference(tmp_path):
    model = import_checkpoint.load(save({"epoch": 0, "state_dict": checkpoint()}, tmp_path))
    theirs = checkpoint()
    last = model.contexts[3].rest.get_submodule("2").weight
    assert torch.equal(last, theirs["module.entropy_parameters_nonanchor.3.fusion.2.weight"])
    assert torch.equal(model.g_a[15].gamma, theirs["module.g_a.analysis_transform.15.gamma"])
    assert torch.equal(model.entropy_bottleneck.matrices[1], theirs["module.entropy_bottleneck._matrix1"])


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda e: {"epoch": 3, "state_dict": {f"module.{n}": v for n, v in e.items()}}, id="authors"),
        pytest.param(lambda e: {"state_dict": e}, id="one-device"),
        pytest.param(lambda e: e, id="bare"),
        pytest.param(lambda e: {**e, "gaussian_conditional._offset": torch.zeros(64)}, id="with-tables"),
    ],
)
def test_sizes_are_inferred_and_weights_kept(wrap, model, entries, tmp_path):
    found = import_checkpoint.load(save(wrap(entries), tmp_path))
    assert found.config == SMALL
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))


def test_missing_extra_and_misshapen_entries_are_told_apart(entries, tmp_path):
    changed = {**entries, "stray.weight": torch.zeros(2), "h_s.increase.0.weight": torch.zeros(3, 3)}
    del changed["local_context.1.bias"]
    with pytest.raises(BadWeights) as caught:
        import_checkpoint.load(save(changed, tmp_path))
    message = str(caught.value)
    assert "authors.pth.tar is no checkpoint of taco" in message
    assert "1 missing (local_context.1.bias)" in message
    assert "1 extra (stray.weight)" in message
    assert "1 of another shape (h_s.increase.0.weight)" in message


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e: {"g_a.0.weight": torch.zeros(192, 3, 5, 5), "g_a.0.bias": torch.zeros(192)}, id="other"),
        pytest.param(lambda e: {n: v for n, v in e.items() if "local_context" not in n}, id="no-slices"),
        pytest.param(lambda e: {n: v.flatten()[:12] for n, v in e.items()}, id="flat"),
    ],
)
def test_another_codecs_checkpoint_is_refused_in_one_line(change, entries, tmp_path):
    with pytest.raises(BadWeights, match="no checkpoint of taco: ") as caught:
        import_checkpoint.load(save({"state_dict": change(entries)}, tmp_path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all\n", b"PK\x03\x04 cut short"], ids=len)
def test_foreign_files_are_refused_in_one_line(content, tmp_path):
    path = tmp_path / "photo.ckpt"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"photo\.ckpt") as caught:
        import_checkpoint.load(path)
    assert "\n" not in str(caught.value)


@torch.inference_mode()
def test_imported_weights_code_as_the_model_does(model, entries, tmp_path):
    output = tmp_path / "w.safetensors"
    info = import_checkpoint("taco", save({"epoch": 0, "state_dict": entries}, tmp_path), output)
    written = read_info(output)
    assert (written.codec, written.entropy_id) == ("taco", info.entropy_id)
    x, features = torch.rand(1, 3, 64, 64), text(1, SMALL.text_width)
    model.make_integers()
    assert TacoCodec(output, written, "cpu").model.compress(x, features) == model.compress(x, features)
