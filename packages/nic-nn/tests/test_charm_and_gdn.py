"""ChARM's order of dependence, and GDN against its formula."""

import pytest
import torch
from nic_latent.orders.context import Context, drive, slices_of
from nic_nn.entropy.latent import nets_of, of
from nic_nn.nets.charm import Charm, slice_net
from nic_nn.nets.gdn import GDN


def steps(charm: Charm, hyper: torch.Tensor) -> Context:
    return charm.order(nets_of(torch.nn.ModuleDict({"charm": charm})), hyper)


def test_widths_go_in_equal_steps():
    layers = [module for module in slice_net(320, 32) if isinstance(module, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [224, 128, 32]


@pytest.mark.parametrize(("channels", "slices"), [(192, 6), (320, 10), (448, 14)])
def test_slices_fill_the_latent(channels, slices):
    charm = Charm(channels)
    assert len(charm.order.sizes) == slices and slices_of(charm.order.sizes)[-1].stop == channels


def test_channels_must_divide():
    with pytest.raises(ValueError, match="slices of 32"):
        Charm(100)


def test_a_slice_sees_its_hyper_slice_and_all_earlier_slices():
    torch.manual_seed(0)
    charm = Charm(96).double()
    hyper, y = torch.randn(1, 192, 3, 3).double(), torch.randn(1, 96, 3, 3).double()

    def run(hyper, y):
        seen = []
        result = drive(steps(charm, hyper), lambda params: (seen.append(params), of(params, y))[1])
        assert torch.equal(torch.cat(result, 1), y)
        return seen

    def changed(other):
        pairs = zip(run(hyper, y), other, strict=True)
        return [(not torch.equal(a.scale, b.scale), not torch.equal(a.mean, b.mean)) for a, b in pairs]

    nudge = torch.zeros_like(hyper)
    nudge[:, 32] = 1  # a scale of the second slice
    assert changed(run(hyper + nudge, y)) == [(False, False), (True, False), (False, False)]
    nudge = torch.zeros_like(y)
    nudge[:, 40] = 1
    assert changed(run(hyper, y + nudge)) == [(False, False), (False, False), (True, True)]


def test_support_order_and_widths_can_be_others():
    torch.manual_seed(0)
    hidden = [(7, 6), (7, 6), (9, 8), (9, 8)]
    charm = Charm(128, 32, support=2, hidden=hidden, means_first=True, scale_is_index=True).double()
    assert [net[0].in_channels for net in charm.means] == [32, 64, 96, 96]
    assert [(net[0].out_channels, net[2].out_channels) for net in charm.scales] == hidden
    y = torch.randn(1, 128, 3, 3).double()

    def run(hyper, y):
        seen = []
        drive(steps(charm, hyper), lambda params: (seen.append(params), of(params, y))[1])
        assert all(params.scale_is_index for params in seen)
        return seen

    hyper = torch.randn(1, 256, 3, 3).double()
    nudged, third = hyper.clone(), y.clone()
    nudged[:, 32] += 1  # a mean of the second slice
    third[:, 70] += 1
    before, after = run(hyper, y), run(nudged, y)
    assert [not torch.equal(a.mean, b.mean) for a, b in zip(before, after, strict=True)] == [False, True, False, False]
    assert all(torch.equal(a.scale, b.scale) for a, b in zip(before, after, strict=True))
    assert torch.equal(run(hyper, third)[3].mean, before[3].mean)  # the fourth slice does not see the third


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_its_formula_with_and_without_gradients(inverse):
    torch.manual_seed(0)
    gdn = GDN(6, inverse)
    torch.nn.init.uniform_(gdn.gamma, 0, 0.5)
    x = torch.randn(2, 6, 50, 60)
    beta, gamma = gdn.beta**2 - 2**-36, gdn.gamma**2 - 2**-36
    norm = (beta[:, None, None] + torch.einsum("ij,njhw->nihw", gamma, x**2)).sqrt()
    expected = x * norm if inverse else x / norm
    assert torch.allclose(gdn(x), expected, atol=1e-5)
    with torch.inference_mode():
        assert torch.allclose(gdn(x), expected, atol=1e-5)
    assert set(gdn.state_dict()) == {"beta", "gamma"}


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_has_the_gradients_of_its_formula(inverse):
    torch.manual_seed(0)
    gdn = GDN(6, inverse).double()
    torch.nn.init.uniform_(gdn.gamma, 0.1, 0.5)
    x = torch.randn(2, 6, 20, 30, dtype=torch.double, requires_grad=True)  # of more positions than one part
    weights = torch.randn(2, 6, 20, 30, dtype=torch.double)
    leaves = x, gdn.beta, gdn.gamma
    got = torch.autograd.grad((gdn(x) * weights).sum(), leaves)
    norm = (gdn.beta**2 - 2**-36)[:, None, None] + torch.einsum("ij,njhw->nihw", gdn.gamma**2 - 2**-36, x**2)
    expected = torch.autograd.grad(((x * norm.sqrt() if inverse else x / norm.sqrt()) * weights).sum(), leaves)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
