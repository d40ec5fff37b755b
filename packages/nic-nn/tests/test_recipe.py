"""What recipes share."""

import pytest
import torch
from nic_nn.training.optimizers import muon, soap
from nic_nn.training.recipe import Networks, RateDistortion
from torch import nn


def test_ms_ssim_is_computed_exactly_whatever_the_nets_are():
    """In bfloat16 the variances of flat regions would come out negative, and the similarity as anything."""
    recipe = RateDistortion("codec", metric="ms-ssim", crop=192, val_crop=192)
    flat = 0.9 + 0.01 * torch.rand(2, 1, 192, 192, generator=torch.Generator().manual_seed(0))
    x_hat = (flat + 0.005).to(torch.bfloat16)
    exact, _ = recipe.distortion(x_hat, flat)
    with torch.autocast("cpu", torch.bfloat16):
        distortion, shown = recipe.distortion(x_hat, flat)
    torch.testing.assert_close(distortion, exact)
    assert 0 <= distortion.min() <= distortion.max() <= 1
    torch.testing.assert_close(shown["ms-ssim"], 1 - exact.mean())


def test_a_cooldown_lowers_the_rates_in_the_last_fifth_only():
    recipe = RateDistortion("codec", schedule="cooldown", warmup=10)
    factors = [recipe.rate_at(step, 1000) for step in (4, 9, 10, 800, 900, 1000)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 0.5, 0])


@pytest.mark.parametrize("optimizer", ["muon", "soap"])
def test_optimizers_of_matrices_learn(optimizer):
    """A convolution finds another one again, and has the group entries that set its rate."""
    torch.manual_seed(0)
    found, wanted = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
    made = muon(list(found.parameters()), []) if optimizer == "muon" else soap(list(found.parameters()), 0.01)
    for group in made.param_groups:
        group["lr"] = 0.01
    assert {group["rate"] for group in made.param_groups} <= {"lr", "other_lr"}
    losses = []
    for _ in range(60):
        x = torch.randn(8, 3, 8, 8)
        loss = (found(x) - wanted(x)).square().mean()
        made.zero_grad()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_muon_orthogonalises_in_float32_on_a_cpu():
    """In bfloat16, which most processors only emulate, a step took thirty times as long."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(16, 8, 3, bias=False)
    before = convolution.weight.detach().clone()
    convolution.weight.grad = torch.randn_like(convolution.weight)
    made = muon([convolution.weight], [])
    made.param_groups[0]["lr"] = 1.0
    made.step()
    update = (convolution.weight.detach() - before).flatten(1)
    assert not torch.equal(update, update.bfloat16().float())
    strengths = torch.linalg.svdvals(update)
    assert strengths.min() > 0.5 and strengths.max() < 1.5


def test_muon_steps_are_the_same_beside_others_of_the_shape():
    """They are computed together."""

    def stepped(weights):
        made = muon([nn.Parameter(weight.clone()) for weight in weights], [])
        made.param_groups[0]["lr"] = 1.0
        for parameter in made.param_groups[0]["params"]:
            parameter.grad = parameter.detach().sin()
        made.step()
        return made.param_groups[0]["params"]

    torch.manual_seed(0)
    weights = [torch.randn(*shape) for shape in [(8, 4, 3, 3), (8, 36, 1, 1), (5, 4, 3, 3), (8, 4, 3, 3)]]
    for weight, together in zip(weights, stepped(weights), strict=True):
        torch.testing.assert_close(together, stepped([weight])[0], rtol=1e-4, atol=1e-4)


def test_adam_takes_its_epsilon_from_the_recipe():
    networks = Networks(nn.Conv2d(3, 8, 3))
    for eps in (1e-8, 1e-7):
        made = RateDistortion("codec", eps=eps).optimizers(networks)
        assert [optimizer.defaults["eps"] for optimizer in made.all()] == [eps, eps]
