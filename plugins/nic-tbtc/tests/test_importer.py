"""Reading the public checkpoints, and refusing everything else in one line."""

import re
from pathlib import Path

import pytest
import torch
from nic_core.errors import BadWeights
from nic_core.weights import read_info
from nic_nn.testing import picture
from nic_tbtc.codec import TbtcCodec
from nic_tbtc.config import TbtcConfig
from nic_tbtc.importer import import_checkpoint, importer, published_name
from nic_tbtc.model import Tbtc
from tbtc_reference import CODECS, checkpoint

TODAY = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}


@pytest.fixture(scope="module")
def entries():
    return checkpoint("tbtc-conv-hyperprior")


def save(content, folder: Path) -> Path:
    path = folder / "authors.ckpt"
    torch.save(content, path)
    return path


def todays_name(name: str) -> str:
    return re.sub(r"\.(_matrix|_bias|_factor)(\d)$", lambda found: f".{TODAY[found[1]]}{found[2]}", name)


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda e: {"epoch": 3, "state_dict": e}, id="lightning"),
        pytest.param(lambda e: e, id="bare"),
        pytest.param(lambda e: {"state_dict": {f"module.{n}": v for n, v in e.items()}}, id="data-parallel"),
        pytest.param(lambda e: {"state_dict": {f"model.{n}": v for n, v in e.items()}}, id="model-prefix"),
        pytest.param(lambda e: {todays_name(n): v for n, v in e.items()}, id="todays-prior"),
        pytest.param(lambda e: {n: v for n, v in e.items() if "gaussian" not in n}, id="without-tables"),
        pytest.param(lambda e: {**e, "gaussian_conditional.scale_table": torch.ones(64)}, id="with-ladder"),
    ],
)
def test_all_layouts_give_the_same_weights(wrap, entries, tmp_path):
    model = importer("tbtc-conv-hyperprior").load(save(wrap(entries), tmp_path))
    assert torch.equal(model.g_s[1].gamma, entries["g_s.1.gamma"])
    assert torch.equal(model.entropy_bottleneck.matrices[2], entries["entropy_bottleneck._matrix2"])
    assert model.gaussian.scale_table[0] == pytest.approx(0.11)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", ["S", "L"])
def test_sizes_are_inferred(codec, size, tmp_path):
    config = TbtcConfig.of(codec, size)
    state = {published_name(name, config.transform): value for name, value in Tbtc(config).named_parameters()}
    assert importer(codec).load(save({"state_dict": state}, tmp_path)).config == config


@pytest.mark.parametrize("codec", CODECS)
def test_another_codecs_checkpoint_is_named_entry_by_entry(codec, entries, tmp_path):
    path = save({"state_dict": entries}, tmp_path)
    if codec == "tbtc-conv-hyperprior":
        codec, path = "tbtc-conv-hyperprior", save({"state_dict": checkpoint("tbtc-conv-charm")}, tmp_path)
        first = "charm_mean_transforms.0.layers.0.weight"
    else:
        first = "g_a.patch_embed.proj.weight" if "swint" in codec else "charm_mean_transforms.0.layers.0.weight"
    with pytest.raises(BadWeights) as caught:
        importer(codec).load(path)
    message = str(caught.value)
    assert first in message and codec in message and "\n" not in message and len(message) < 500


def test_missing_extra_and_misshapen_entries_are_told_apart(entries, tmp_path):
    changed = {**entries, "stray.weight": torch.zeros(2), "h_s.0.weight": torch.zeros(3, 3)}
    del changed["h_s.4.bias"]
    with pytest.raises(BadWeights) as caught:
        importer("tbtc-conv-hyperprior").load(save(changed, tmp_path))
    message = str(caught.value)
    assert "1 missing (h_s.4.bias)" in message
    assert "1 extra (stray.weight)" in message
    assert "1 of another shape (h_s.0.weight)" in message


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint at all\n", b"PK\x03\x04 cut short", b"\x80\x02}q\x00."], ids=len
)
def test_foreign_files_are_refused_in_one_line(content, tmp_path):
    path = tmp_path / "photo.ckpt"
    path.write_bytes(content)
    with pytest.raises(BadWeights) as caught:
        importer("tbtc-swint-charm").load(path)
    assert "photo.ckpt" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {}}, {"epoch": 1}, torch.zeros(3)], ids=str)
def test_files_without_named_tensors_are_refused(content, tmp_path):
    with pytest.raises(BadWeights, match="named tensors"):
        importer("tbtc-conv-charm").load(save(content, tmp_path))


def test_code_in_a_pickle_never_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    with pytest.raises(BadWeights):
        importer("tbtc-conv-charm").load(save({"state_dict": {"a": Trap()}}, tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BadWeights, match=r"nowhere\.ckpt"):
        importer("tbtc-conv-charm").load(tmp_path / "nowhere.ckpt")


def test_imported_weights_code_in_integers_what_the_model_estimates(entries, tmp_path):
    output = tmp_path / "w.safetensors"
    info = import_checkpoint("tbtc-conv-hyperprior", save({"epoch": 0, "state_dict": entries}, tmp_path), output)
    written = read_info(output)
    assert (written.codec, written.entropy_id) == ("tbtc-conv-hyperprior", info.entropy_id)
    model = TbtcCodec(output, written, "cpu").model
    x = picture(64, 128)
    with torch.inference_mode():
        estimated, expected = model(x), importer("tbtc-conv-hyperprior").load(tmp_path / "authors.ckpt")(x)
        for latent, bits in expected["bits"].items():
            assert estimated["bits"][latent].item() == pytest.approx(bits.item(), rel=1e-3)
        differences = (model.decode(model.compress(x)) - expected["latents"]["y_hat"]).abs()
    # Means whose nets have 12-bit weights are a little beside; where y - mean is close to a half, which depends on the
    # order in which a processor sums floats, a symbol may be its neighbour.
    others = differences > 0.5
    assert others.sum() <= 3
    assert differences[~others].max() < 1e-3
