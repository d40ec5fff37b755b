"""What a training starts from: parts that fit, what Adam kept, and authors' checkpoints with both."""

import copy

import pytest
import torch
from nic_core.errors import BadWeights
from nic_nn.training.networks import Networks
from nic_nn.training.optimizers import adam
from nic_nn.training.recipe import Optimizers
from nic_nn.training.start import Moments, Start, carry_on, fill, moments_of
from torch import nn


class Small(nn.Sequential):
    """Stands for a model."""

    def completed(self, state):
        return state


def made(auxiliary=True):
    return Networks(Small(nn.Linear(3, 4), nn.Linear(4, 2)), nn.Linear(2, 2) if auxiliary else None)


def optimizers_of(networks):
    return Optimizers(adam(networks.parameters("model", "auxiliary"), 1e-3), adam([], 1e-3))


def stepped(networks, steps=2):
    """Return the networks' optimizer after some steps."""
    optimizers = optimizers_of(networks)
    for _ in range(steps):
        optimizers.main.zero_grad()
        sum(parameter.square().sum() for parameter in networks.parameters("model", "auxiliary")).backward()
        optimizers.main.step()
    return optimizers


def test_adam_goes_on_where_another_stood_without_the_auxiliary_network():
    source = made()
    before = stepped(source)
    moments = moments_of(before, source, [before.main.state_dict()])
    assert set(moments) == {*(f"model.{n}.{p}" for n in (0, 1) for p in ("weight", "bias")), "auxiliary.weight",
                            "auxiliary.bias"}  # fmt: skip

    networks = made(auxiliary=False)
    assert fill(networks, Start({"model": source.model.state_dict()}), "it") == ("model",)
    other = copy.deepcopy(networks.model)
    fresh = optimizers_of(Networks(other))
    after = optimizers_of(networks)
    assert len(carry_on(after, networks, moments)) == 4
    for optimizers, trained in ((before, source), (after, networks), (fresh, Networks(other))):
        optimizers.main.zero_grad()
        (-sum(parameter.square().sum() for parameter in trained.model.parameters())).backward()
        optimizers.main.step()
    for name, value in networks.model.state_dict().items():
        torch.testing.assert_close(value, source.model.state_dict()[name], rtol=1e-6, atol=1e-7)
        assert (value - other.state_dict()[name]).abs().max() > 1e-4  # of Adam that begins anew


def test_what_another_kind_of_optimizer_kept_is_left():
    networks = made()
    kept = {"model.0.weight": Moments("SGD", {"momentum_buffer": torch.zeros(4, 3)})}
    assert carry_on(optimizers_of(networks), networks, kept) == []


def test_what_does_not_fit_is_named():
    with pytest.raises(
        BadWeights, match=r"the auxiliary of it does not fit the recipe's: 1 of another shape \(weight\)"
    ):
        fill(made(), Start({"auxiliary": nn.Linear(3, 2).state_dict()}), "it")
    networks = made()
    with pytest.raises(BadWeights, match=r"kept of model\.0\.weight has another shape"):
        carry_on(optimizers_of(networks), networks, {"model.0.weight": Moments("Adam", {"exp_avg": torch.zeros(3, 3)})})
