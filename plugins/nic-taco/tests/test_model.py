"""The model: the authors' numbers, its size, what the text does, and coding that gives back what was estimated."""

import pytest
import torch
from nic_nn.entropy.latent import mask
from nic_nn.nets.checkerboard import Packed, Unpacked
from nic_nn.testing import assert_codes_what_it_estimates, assert_reference, picture
from nic_taco.config import TacoConfig
from nic_taco.importer import import_checkpoint
from nic_taco.model import Taco
from taco_reference import GOLDEN, SEED, SMALL, checkpoint, small_model, text


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The model that the reference checkpoint holds."""
    path = tmp_path_factory.mktemp("golden") / "authors.ckpt"
    torch.save({"epoch": 0, "state_dict": checkpoint()}, path)
    model = import_checkpoint.load(path)
    model.freeze_tables()
    return model


@pytest.fixture(scope="module")
def small():
    return small_model()


@torch.inference_mode()
def test_numbers_of_the_authors_code(reference):
    assert_reference(reference, reference.g_a(picture(64, 64, SEED), text()), GOLDEN / "taco")


@torch.inference_mode()
def test_reference_weights_code_what_they_estimate_with_text(reference):
    assert_codes_what_it_estimates(reference, reference.g_a(picture(64, 128), text()))


@torch.inference_mode()
def test_another_text_changes_the_stream(reference):
    x = picture(64, 64)
    streams = {reference.compress(x, features).streams for features in (text(), text(1), None)}
    assert len(streams) == 3


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (192, 128)])
def test_small_model_codes_what_it_estimates(small, size):
    assert assert_codes_what_it_estimates(small, small.g_a(torch.rand(2, 3, *size))).abs().max() > 1


@torch.inference_mode()
def test_one_text_serves_all_pictures_and_each_may_have_its_own(small):
    x, features = torch.rand(2, 3, 64, 64), torch.cat([text(1, SMALL.text_width), text(2, SMALL.text_width)])
    each = small.g_a(x, features)
    assert torch.allclose(each[:1], small.g_a(x, features[:1])[:1], atol=1e-4)
    assert torch.allclose(each[1:], small.g_a(x[1:], features[1:]), atol=1e-4)
    assert not torch.allclose(each[1:], small.g_a(x, features[:1])[1:], atol=1e-1)


@torch.inference_mode()
def test_fresh_injectors_let_no_text_through():
    torch.manual_seed(0)
    model, x = Taco(SMALL).eval(), torch.rand(1, 3, 64, 64)
    assert torch.equal(model.g_a(x, text(1, SMALL.text_width)), model.g_a(x))


def test_every_symbol_is_coded_once(small):
    covered = torch.zeros(1, SMALL.latent, 4, 8)
    steps = small.context(torch.zeros(1, 2 * SMALL.latent, 4, 8))
    params = next(steps)
    with pytest.raises(StopIteration):
        while True:
            covered[:, params.channels] += mask(params)
            params = steps.send(torch.zeros_like(params.mean))
    assert (covered == 1).all()


def test_reference_is_the_published_model(reference):
    assert reference.config == TacoConfig()
    assert sum(p.numel() for p in reference.parameters()) == 38_579_275


@pytest.mark.parametrize("sizes", [{"width": 20}, {"text_width": 500}, {"slices": ()}])
def test_sizes_that_make_no_model_are_refused(sizes):
    with pytest.raises(ValueError, match=r"multiples of 8|at least one slice"):
        TacoConfig(**sizes)


@torch.inference_mode()
def test_half_a_checkerboard_is_computed_as_the_whole(small):
    conv = small.contexts[0].around.conv
    anchors = torch.randn(2, conv.in_channels, 8, 12)
    whole = torch.nn.Conv2d.forward(conv, anchors)
    first, second = (Unpacked(parity)(Packed(parity)(whole)) for parity in (0, 1))
    torch.testing.assert_close(small.contexts[0].around(anchors), first)
    assert torch.equal(first + second, whole)
