"""TCM: the authors' numbers, its sizes, any size of picture, and coding that gives back what was estimated."""

import dataclasses

import pytest
import torch
from nic_latent.tiles.geometry import Reach
from nic_nn.testing import assert_codes_what_it_estimates, assert_reference, filled, picture
from nic_tbtc.tcm.blocks import MixedBlock, SwinGate
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.importer import import_checkpoint
from nic_tbtc.tcm.model import Tcm
from operations import gmacs
from tcm_reference import GOLDEN, SEED, SMALL, checkpoint, small
from torch import nn

PARAMETERS = {"S": 45_180_752, "M": 59_133_650, "L": 76_568_148}
GMACS = {"S": (114.5, 150.3), "M": (200.5, 277.4), "L": (319.9, 453.5)}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The model that the reference checkpoint holds."""
    path = tmp_path_factory.mktemp("golden") / "authors.pth.tar"
    torch.save({"epoch": 0, "state_dict": checkpoint()}, path)
    return import_checkpoint.load(path)


@torch.inference_mode()
def test_numbers_of_the_public_implementation(reference):
    assert_reference(reference, reference.g_a(picture(256, 256, SEED)), GOLDEN / "tcm")


@torch.inference_mode()
def test_reference_weights_code_what_they_estimate(reference):
    reference.freeze_tables()
    assert_codes_what_it_estimates(reference, reference.g_a(picture(64, 192)))


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (192, 128), (256, 320)])
@torch.inference_mode()
def test_every_multiple_of_the_stride_is_coded(size):
    model = small()
    model.freeze_tables()
    assert assert_codes_what_it_estimates(model, model.g_a(torch.rand(2, 3, *size))).abs().max() > 0


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_parameters_and_operations(size):
    model = Tcm(TcmConfig.of(size)).eval().to("meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[size]
    assert gmacs(model) == pytest.approx(GMACS[size], rel=0.01)


def test_blocks_take_turns_in_shifting():
    for transform in (Tcm(SMALL).g_a, Tcm(SMALL).h_s):
        shifts = [module.attention.shift for module in transform.modules() if isinstance(module, MixedBlock)]
        windows = {module.attention.window for module in transform.modules() if isinstance(module, MixedBlock)}
        assert len(windows) == 1
        assert shifts[:2] == [0, windows.pop() // 2]


@torch.inference_mode()
def test_half_of_a_block_sees_its_window_and_half_its_neighbours():
    block = filled(MixedBlock(8, 2, 4, 0))
    for layer in (block.enter, block.leave):  # what would mix both halves
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = torch.randn(1, 16, 8, 8)
    changed = x.clone()
    changed[..., 0, 0] = torch.randn(16)
    other = (block(changed) - block(x)).abs() > 1e-6
    near, far = (half[0].any(0) for half in other.chunk(2, 1))
    assert near[:3, :3].all() and near.sum() == 9
    assert far[:4, :4].all() and far.sum() == 16


@torch.inference_mode()
def test_a_gate_sees_two_windows_however_small_the_map():
    gate = filled(SwinGate(16, 4, 8))
    for height, width in ((1, 1), (4, 4), (8, 8), (7, 12), (16, 24)):
        x = torch.randn(1, 16, height, width)
        assert gate(x).shape == x.shape
        changed = x.clone()
        changed[..., -1, -1] = torch.randn(16)
        assert ((gate(changed) - gate(x)).abs() > 1e-7)[0].any(0)[max(height - 8, 0) :, max(width - 8, 0) :].all()


def test_deeper_stages_reach_further():
    assert TcmConfig().reach == Reach(192, local=True)
    assert TcmConfig(depths=(2, 2, 2, 3, 2, 3)).reach == Reach(256, local=True)


@torch.inference_mode()
def test_the_synthesis_sees_as_far_as_its_reach():
    config = dataclasses.replace(SMALL, depths=(1, 1, 1, 2, 2, 2))
    halo, model = config.reach.halo, small(config).double()
    side = 2 * halo + 3 * 64
    y_hat = torch.randn(1, 24, side // 16, side // 16, dtype=torch.float64)
    target = slice(halo + 64, halo + 128)
    whole = model.g_s(y_hat)[..., target, target]

    def change_beyond(halo):
        inside = slice((target.start - halo) // 16, (target.stop + halo) // 16)
        changed = torch.randn_like(y_hat)
        changed[..., inside, inside] = y_hat[..., inside, inside]
        return (model.g_s(changed)[..., target, target] - whole).abs().max() / whole.std()

    assert change_beyond(halo) < 1e-12 < change_beyond(halo - 64)


@pytest.mark.parametrize(
    "wrong",
    [
        {"depths": (2,) * 5},
        {"head_widths": (8,) * 7},
        {"width": 0},
        {"width": 40},
        {"attention": 24},
        {"slices": 6},
        {"slices": 0},
        {"context": (0, 128)},
    ],
    ids=str,
)
def test_sizes_that_make_no_model_are_refused(wrong):
    with pytest.raises(ValueError, match=r"need six values|positive|do not divide"):
        TcmConfig(**wrong)
