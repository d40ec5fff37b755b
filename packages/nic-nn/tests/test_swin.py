"""Swin blocks against a slow reading of the paper: every position looks at its window's real positions, one by one."""

import math

import pytest
import torch
import torch.nn.functional as F
from nic_nn.nets import swin
from nic_nn.nets.swin import NormedPatchSplitting, PatchMerging, PatchSplitting, SwinBlock, SwinStage
from torch import nn

SIZES = [(1, 1), (1, 9), (3, 5), (8, 8), (9, 16), (13, 17), (16, 24), (21, 8)]


def slow_block(block: SwinBlock, x: torch.Tensor) -> torch.Tensor:
    """Run a block with explicit loops; knows no padding, since absent positions simply are in no window."""
    n, height, width, channels = x.shape
    attention, side, shift = block.attention, block.window, block.shift
    padded = [size + -size % side for size in (height, width)]
    heads, per_head = attention.heads, channels // attention.heads
    scale = attention.scale or per_head**-0.5
    qkv = attention.qkv(block.norm1(x)).reshape(n, height, width, 3, heads, per_head)
    mixed = torch.zeros(n, height, width, channels, dtype=x.dtype)

    def window(i: int, j: int) -> tuple[int, ...]:
        """Name the window of a position; what the shift wraps around makes windows of its own."""
        shifted = [(at - shift) % size for at, size in zip((i, j), padded, strict=True)]
        return (*(at // side for at in shifted), *(at < shift for at in (i, j)))

    places = [(i, j) for i in range(height) for j in range(width)]
    for i, j in places:
        seen = [(k, m) for k, m in places if window(k, m) == window(i, j)]
        # A wrapped axis keeps its offsets: all positions of one window lie on the same side of the seam.
        rows = [(i - k + side - 1) * (2 * side - 1) + j - m + side - 1 for k, m in seen]
        keys = torch.stack([qkv[:, k, m, 1] for k, m in seen], 2)
        values = torch.stack([qkv[:, k, m, 2] for k, m in seen], 2)
        logits = torch.einsum("nhc,nhpc->nhp", qkv[:, i, j, 0], keys) * scale + attention.bias[rows].T
        mixed[:, i, j] = torch.einsum("nhp,nhpc->nhc", logits.softmax(-1), values).flatten(1)
    x = x + attention.proj(mixed)
    return x + block.mlp(block.norm2(x))


def block_of(window: int, shift: int, scale: float | None = None) -> SwinBlock:
    torch.manual_seed(1)
    block = SwinBlock(16, 4, window, shift, scale).double()
    torch.nn.init.normal_(block.attention.bias)
    return block


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("window", "shift"), [(8, 0), (8, 4), (4, 2), (4, 0)])
def test_every_size_equals_the_slow_block(size, window, shift):
    block = block_of(window, shift, 0.3)
    x = torch.randn(2, *size, 16, dtype=torch.float64)
    expected = slow_block(block, x)
    assert block(x).shape == x.shape
    assert torch.allclose(block(x), expected, atol=1e-12)
    with torch.inference_mode():
        assert torch.allclose(block(x), expected, atol=1e-12)


@pytest.mark.parametrize("shift", [0, 4])
def test_padding_has_no_say(shift, monkeypatch):
    block = block_of(8, shift)
    x = torch.randn(1, 11, 6, 16, dtype=torch.float64)
    expected = block(x)
    pad = F.pad
    monkeypatch.setattr(swin.F, "pad", lambda x, widths: pad(x, widths, value=7.0))
    assert torch.allclose(block(x), expected, atol=1e-12)


def test_default_scale_is_that_of_the_heads():
    x = torch.randn(1, 8, 8, 16, dtype=torch.float64)
    assert torch.equal(block_of(8, 0)(x), block_of(8, 0, 4**-0.5)(x))


def test_strips_change_nothing(monkeypatch):
    stage = SwinStage(16, 2, 4, 4).double()
    x = torch.randn(2, 22, 14, 16, dtype=torch.float64)
    expected = stage(x)
    for strip in (1, 100, 10**6):
        monkeypatch.setattr(swin, "STRIP", strip)
        with torch.inference_mode():
            assert torch.allclose(stage(x), expected, atol=1e-12)


def test_masks_made_in_inference_serve_training():
    swin.regions.cache_clear()
    block, x = block_of(8, 4), torch.randn(1, 9, 9, 16, dtype=torch.float64)
    with torch.inference_mode():
        block(x)
    block(x).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_block_has_the_right_gradients():
    block = SwinBlock(4, 2, 2, 1).double()
    x = torch.randn(1, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, bias: torch.func.functional_call(block, {"attention.bias": bias}, x), (x, block.attention.bias)
    )


def test_half_precision_runs():
    with torch.autocast("cpu", torch.bfloat16):
        y = SwinStage(16, 2, 4, 4)(torch.randn(1, 6, 6, 16))
    assert y.isfinite().all()


def test_windows_share_few_masks():
    found = swin.regions(512, 768, 8, 4, torch.device("cpu"))
    assert len(found) == 4
    assert sum(mask is not None for *_, mask in found) == 3


def test_merging_takes_phases_column_by_column():
    merging = PatchMerging(1, 4)
    merging.norm, merging.reduction = torch.nn.Identity(), torch.nn.Identity()
    x = torch.tensor([[0.0, 2.0], [1.0, 3.0]]).reshape(1, 2, 2, 1)
    assert merging(x).flatten().tolist() == [0, 1, 2, 3]


def test_splitting_is_a_pixel_shuffle():
    splitting = PatchSplitting(6, 5)
    x = torch.randn(2, 3, 4, 6)
    expected = F.pixel_shuffle(splitting.expansion(splitting.norm(x)).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert torch.allclose(splitting(x), expected, atol=1e-6)


@pytest.mark.parametrize("norm", [True, False])
def test_splitting_after_the_norm_keeps_each_phase_together(norm):
    splitting = NormedPatchSplitting(6, 5, norm)
    x = torch.randn(2, 3, 4, 6)
    expanded = splitting.norm(splitting.expansion(x))
    y = splitting(x)
    assert y.shape == (2, 6, 8, 5)
    assert (splitting.expansion.bias is None) == norm
    for phase, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert torch.equal(y[:, row::2, column::2], expanded[..., 5 * phase : 5 * phase + 5])


def test_bias_rows_are_offsets():
    index = swin.relative_positions(3)
    assert index[0, 0] == index[8, 8] == 12
    assert index[0, 8] == 0 and index[8, 0] == 24
    assert math.isqrt(len(index.unique())) == 5


def test_position_biases_start_at_zero():
    """As in the published models' code."""
    stage = SwinStage(16, 2, 4, 4)
    assert not any(block.attention.bias.any() for block in stage.modules() if isinstance(block, SwinBlock))


class EverySecond(nn.Module):
    """Leaves out the first of two pictures and doubles what is kept, as timm's DropPath at rate 0.5 may."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert len(x) == 2
        return x * torch.tensor([0.0, 2.0], dtype=x.dtype)[:, None, None]


@pytest.mark.parametrize("size", [(8, 8), (13, 17)])
def test_whole_pictures_are_left_out_in_training_alone(size):
    block = SwinBlock(16, 4, 8, 4, drop_path=EverySecond()).double()
    x = torch.randn(2, *size, 16, dtype=torch.float64)
    with torch.no_grad():
        y = block(x)
        assert torch.equal(y[0], x[0])
        assert not torch.allclose(y[1], x[1])
        plain = block.eval()(x)
        block.drop_path = None
        assert torch.equal(block.train()(x), plain)
        block.attention.proj.weight.mul_(2)
        block.attention.proj.bias.mul_(2)
        block.mlp[2].weight.mul_(2)
        block.mlp[2].bias.mul_(2)
        assert torch.allclose(block(x)[1], y[1], atol=1e-12)
