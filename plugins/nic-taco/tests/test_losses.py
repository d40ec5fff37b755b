"""The losses, on small networks with random weights, against the same sums written out."""

import math
import sys

import open_clip
import pytest
import torch
import torchvision
from nic_core.errors import NicError
from nic_taco.losses import image_vectors, joint_image_text, lpips
from nic_taco.text import load_text_encoder
from tiny_clip import write_random_alexnet, write_random_clip

TEXTS = ("a red door", "two dogs on a beach", "")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_text_encoder(str(write_random_clip(tmp_path_factory.mktemp("random"))))


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    return str(write_random_alexnet(tmp_path_factory.mktemp("random")))


@pytest.fixture
def pictures():
    """Reconstructions, which may leave [0, 1], and originals."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(3, 3, 64, 64, generator=generator)
    return x + 0.2 * torch.randn(x.shape, generator=generator), x


def joint_by_hand(x_hat, x, texts, encoder):
    def seen(pictures):
        vectors = []
        for picture in pictures:
            small = torchvision.transforms.Resize(32, antialias=True)(picture * 255) / 255
            mean, std = (
                torch.tensor([0.48145466, 0.4578275, 0.40821073]),
                torch.tensor([0.26862954, 0.26130258, 0.27577711]),
            )
            vector = encoder.clip.visual(((small - mean[:, None, None]) / std[:, None, None])[None])[0]
            vectors.append(vector / vector.norm())
        return torch.stack(vectors)

    captions = encoder.clip.encode_text(open_clip.tokenize(list(texts)))
    captions = captions / captions.norm(dim=-1, keepdim=True)
    logits = math.exp(2.6592) * captions @ seen(x_hat).T
    rows = sum(-logits[i, i] + logits[i].exp().sum().log() for i in range(len(texts))) / len(texts)
    columns = sum(-logits[i, i] + logits[:, i].exp().sum().log() for i in range(len(texts))) / len(texts)
    return (rows + columns) / 2 + 40 * (seen(x_hat) - seen(x)).square().sum().sqrt()


def test_joint_loss_is_that_of_the_paper(pictures, encoder):
    found = joint_image_text(*pictures, TEXTS, encoder)
    expected = joint_by_hand(*pictures, TEXTS, encoder)
    assert found.shape == () and abs(found / expected - 1) < 1e-5
    assert abs(joint_image_text(*pictures, TEXTS[::-1], encoder) - found) > 1e-3


def test_joint_loss_of_one_picture_is_its_own_difference(pictures, encoder):
    x_hat, x = pictures[0][:1], pictures[1][:1]
    difference = image_vectors(encoder.clip, x_hat) - image_vectors(encoder.clip, x)
    assert torch.allclose(joint_image_text(x_hat, x, TEXTS[:1], encoder), 40 * difference.norm(), rtol=1e-5)


def test_larger_pictures_are_cropped_at_the_centre(encoder):
    x = torch.rand(1, 3, 64, 96)
    assert torch.allclose(image_vectors(encoder.clip, x), image_vectors(encoder.clip, x[..., 16:80]), atol=1e-2)
    assert torch.linalg.vector_norm(image_vectors(encoder.clip, x), dim=1).allclose(torch.ones(1))


@pytest.mark.filterwarnings("ignore:.*weights")  # how lpips calls torchvision
@pytest.mark.parametrize("values", ["unit", "signed"])
def test_lpips_takes_the_range_that_it_is_told(values, pictures, alexnet):
    import lpips as package

    network = package.LPIPS(net="alex", pnet_rand=True, verbose=False)
    features = torchvision.models.alexnet(weights=None).features
    features.load_state_dict({k.removeprefix("features."): v for k, v in torch.load(alexnet).items()})
    for part in (network.net.slice1, network.net.slice2, network.net.slice3, network.net.slice4, network.net.slice5):
        for index, layer in part.named_children():
            layer.load_state_dict(features[int(index)].state_dict())
    scaled = pictures if values == "unit" else tuple(2 * p - 1 for p in pictures)
    found = lpips(*pictures, alexnet, values)
    assert found.shape == (3,) and torch.allclose(found, network(*scaled).flatten(), rtol=1e-5)


def test_the_range_matters_and_unit_is_the_default(pictures, alexnet):
    unit, signed = (lpips(*pictures, alexnet, values) for values in ("unit", "signed"))
    assert torch.equal(lpips(*pictures, alexnet), unit)
    assert not torch.allclose(unit, signed, rtol=0.05)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_only_the_reconstruction_learns_from_them(precision, pictures, encoder, alexnet):
    x_hat, x = pictures
    x_hat.requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        for loss in (joint_image_text(x_hat, x, TEXTS, encoder), lpips(x_hat, x, alexnet).mean()):
            assert loss.dtype == torch.float32
            (gradient,) = torch.autograd.grad(loss, x_hat)
            assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in encoder.clip.parameters())


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
        NicError, match=r"cannot get the AlexNet of LPIPS from .*lpips_path=FILE or NIC_LPIPS"
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
    with pytest.raises(NicError, match=r"pip install 'nic-taco\[train\]'"):
        lpips(*pictures, str(tmp_path / "another"))
