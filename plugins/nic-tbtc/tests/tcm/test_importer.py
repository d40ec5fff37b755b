"""Reading TCM's public checkpoints, and refusing everything else in one line."""

import dataclasses

import pytest
import torch
from nic_core.errors import BadWeights
from nic_core.weights import read_info
from nic_nn.testing import filled, picture
from nic_tbtc.tcm.codec import TcmCodec
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.importer import POSITIONS, import_checkpoint, published_name
from nic_tbtc.tcm.model import Tcm
from tcm_reference import SMALL

DEEPER = dataclasses.replace(SMALL, depths=(1, 2, 3, 1, 2, 3), slices=6, context=(12, 20), attention_head_width=8)


def authors(model):
    """Return the entries that a checkpoint of the authors would have for a model."""
    entries = {published_name(name): value.detach() for name, value in model.named_parameters()}
    for name, value in entries.items():
        if name.endswith(POSITIONS):
            side = round(len(value) ** 0.5)
            entries[name] = value.t().reshape(-1, side, side)
    return entries


def save(entries, folder):
    path = folder / "authors.pth.tar"
    torch.save({"epoch": 3, "state_dict": entries}, path)
    return path


@pytest.fixture(scope="module")
def model():
    return filled(Tcm(SMALL))


@pytest.mark.parametrize("config", [SMALL, DEEPER, TcmConfig.of("M")], ids=["small", "deeper", "M"])
def test_sizes_are_inferred_and_every_weight_arrives(config, tmp_path):
    model = filled(Tcm(config))
    loaded = import_checkpoint.load(save(authors(model), tmp_path))
    assert loaded.config == config
    for name, value in model.named_parameters():
        assert torch.equal(loaded.get_parameter(name), value), name


def test_a_wrapped_checkpoint_with_buffers_gives_the_same(model, tmp_path):
    buffers = {
        "g_a.0.gdn.beta_reparam.pedestal": torch.ones(1),
        "h_mean_s.0.igdn.gamma_reparam.lower_bound.bound": torch.ones(1),
        "gaussian_conditional.scale_table": torch.ones(64),
        "entropy_bottleneck._offset": torch.zeros(0),
    }
    entries = {f"module.{name}": value for name, value in {**authors(model), **buffers}.items()}
    loaded = import_checkpoint.load(save(entries, tmp_path))
    assert torch.equal(loaded.predictors[1].mean[0].weight, model.predictors[1].mean[0].weight)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda e: {**e, "stray.weight": torch.zeros(2)}, r"1 extra \(stray.weight\)"),
        (lambda e: {n: v for n, v in e.items() if n != "lrp_transforms.1.2.bias"}, r"1 missing \(lrp_transforms.1.2.b"),
        (lambda e: {n: v for n, v in e.items() if not n.startswith("g_s.1.")}, "missing"),
        (lambda e: {n: v[0] if n.endswith(POSITIONS) else v for n, v in e.items()}, "missing|another shape"),
        (lambda e: {**e, "g_a.0.conv1.weight": torch.zeros(0, 3, 3, 3)}, "missing|another shape"),
        (lambda e: {n: v for n, v in e.items() if n.startswith("g_")}, "missing"),
    ],
    ids=["extra", "missing", "stage", "positions", "empty", "half"],
)
def test_what_differs_is_named(change, says, model, tmp_path):
    with pytest.raises(BadWeights, match=says) as caught:
        import_checkpoint.load(save(change(authors(model)), tmp_path))
    assert "is no checkpoint of tcm" in str(caught.value) and "\n" not in str(caught.value)


def test_imported_weights_code_what_the_model_estimates(model, tmp_path):
    output = tmp_path / "w.safetensors"
    import_checkpoint("tcm", save(authors(model), tmp_path), output)
    opened = TcmCodec(output, read_info(output), "cpu").model
    x = picture(64, 128)
    with torch.inference_mode():
        for latent, bits in model(x)["bits"].items():
            assert opened(x)["bits"][latent].item() == pytest.approx(bits.item(), rel=1e-3)
        y_hat = opened.decode(opened.compress(x))
    assert y_hat.shape == (1, 24, 4, 8) and y_hat.isfinite().all()
