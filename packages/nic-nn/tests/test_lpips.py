"""LPIPS with random weights: what reaches its network, and what is said where there is none."""

import sys

import pytest
import torch
import torchvision
from nic_core.errors import NicError
from nic_nn.distances.lpips import load_lpips, lpips
from nic_nn.testing import write_random_alexnet

package = pytest.importorskip("lpips")


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    return str(write_random_alexnet(tmp_path_factory.mktemp("random")))


@pytest.fixture
def pictures():
    """Reconstructions, which may leave [0, 1], and originals."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(3, 3, 64, 64, generator=generator)
    return x + 0.2 * torch.randn(x.shape, generator=generator), x


@pytest.mark.filterwarnings("ignore:.*weights")  # how lpips calls torchvision
@pytest.mark.parametrize("values", ["unit", "signed"])
def test_lpips_takes_the_range_that_it_is_told(values, pictures, alexnet):
    network = package.LPIPS(net="alex", pnet_rand=True, verbose=False)
    features = torchvision.models.alexnet(weights=None).features
    features.load_state_dict(
        {k.removeprefix("features."): v for k, v in torch.load(alexnet, weights_only=True).items()}
    )
    for part in (network.net.slice1, network.net.slice2, network.net.slice3, network.net.slice4, network.net.slice5):
        for index, layer in part.named_children():
            layer.load_state_dict(features[int(index)].state_dict())
    scaled = pictures if values == "unit" else tuple(2 * p - 1 for p in pictures)
    found = lpips(*pictures, alexnet, values)
    assert found.shape == (3,) and torch.allclose(found, network(*scaled).flatten(), rtol=1e-5)


def test_the_range_matters_and_that_of_the_network_is_the_default(pictures, alexnet):
    unit, signed = (lpips(*pictures, alexnet, values) for values in ("unit", "signed"))
    assert torch.equal(lpips(*pictures, alexnet), signed)
    assert not torch.allclose(unit, signed, rtol=0.05)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_only_the_reconstruction_learns_from_it(precision, pictures, alexnet):
    x_hat, x = pictures
    x_hat.requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = lpips(x_hat, x, alexnet).mean()
    assert loss.dtype == torch.float32
    (gradient,) = torch.autograd.grad(loss, x_hat)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in load_lpips(alexnet).parameters())


def test_lpips_backbone_is_named_by_the_environment(pictures, alexnet, monkeypatch):
    monkeypatch.setenv("NIC_LPIPS", alexnet)
    assert torch.equal(lpips(*pictures), lpips(*pictures, alexnet))


@pytest.mark.parametrize("content", ["missing", "photo", "tensors"])
def test_what_is_no_alexnet_is_refused_in_one_line(content, pictures, tmp_path):
    path = tmp_path / "alexnet.pth"
    if content == "photo":
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    elif content == "tensors":
        torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(
        NicError, match=r"cannot get the AlexNet of LPIPS from .*NIC_LPIPS=FILE, or in training"
    ) as caught:
        lpips(*pictures, str(path))
    assert "alexnet.pth" in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_download_that_fails_says_what_to_do(pictures, monkeypatch):
    def fail(*args, **settings):
        raise OSError("no route\n to host")

    monkeypatch.delenv("NIC_LPIPS", raising=False)
    monkeypatch.setattr("lpips.pretrained_networks.tv.alexnet", fail)
    with pytest.raises(NicError, match=r"no route to host; download it once where there is a network"):
        lpips(*pictures)


def test_a_missing_package_is_named(pictures, alexnet, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(NicError, match="pip install lpips"):
        lpips(*pictures, str(tmp_path / "another"))
