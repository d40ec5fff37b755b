"""The loss of captions, on a small network with random weights, against the same sums written out."""

import math

import open_clip
import pytest
import torch
import torchvision
from nic_taco.losses import image_vectors, joint_image_text
from nic_taco.text import load_text_encoder
from tiny_clip import write_random_clip

TEXTS = ("a red door", "two dogs on a beach", "")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_text_encoder(str(write_random_clip(tmp_path_factory.mktemp("random"))))


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


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_only_the_reconstruction_learns_from_it(precision, pictures, encoder):
    x_hat, x = pictures
    x_hat.requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = joint_image_text(x_hat, x, TEXTS, encoder)
    assert loss.dtype == torch.float32
    (gradient,) = torch.autograd.grad(loss, x_hat)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in encoder.clip.parameters())
