"""How rates fall: at milestones, and where a loss no longer does."""

import pytest
import torch
from nic_core.errors import BadOption
from nic_nn.training.recipe import RateDistortion
from nic_nn.training.schedules import Plateau


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({}, [900]),
        ({"milestones": (450, 600)}, [450, 600]),
        ({"milestones": (45, 48), "epochs": 50}, [900, 960]),
    ],
)
def test_drops_are_at_milestones_or_at_the_last_tenth(values, ends):
    recipe = RateDistortion("codec", **values)
    factors = [recipe.rate_at(step, 1000) for step in range(1000)]
    assert [step for step in range(1, 1000) if factors[step] != factors[step - 1]] == ends
    assert factors[0] == 1 and factors[-1] == pytest.approx(0.1 ** len(ends))


def test_other_schedules_know_no_milestones():
    given, plain = (RateDistortion("codec", schedule="linear", milestones=values) for values in ((500,), ()))
    assert [given.rate_at(step, 1000) for step in (0, 700)] == [plain.rate_at(step, 1000) for step in (0, 700)]


def test_a_plateau_is_found_as_torch_does():
    ours, losses = Plateau(patience=2), [3.0, 2.0, 2.0, 1.9999, 2.1, 1.0, 1.1, 1.2, 1.3, 0.5]
    theirs = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, patience=2)
    factors = []
    for loss in losses:
        ours.saw(loss)
        scheduler.step(loss)
        assert ours.factor == theirs.param_groups[0]["lr"]
        factors.append(ours.factor)
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_plateau_goes_on_from_what_was_kept():
    whole, first = Plateau(1), Plateau(1)
    losses = [1.0, 1.0, 1.0, 0.9, 0.95, 0.95]
    for loss in losses[:2]:
        first.saw(loss)
    second = Plateau(1)
    second.restore(first.state())
    for number, loss in enumerate(losses):
        whole.saw(loss)
        if number > 1:
            second.saw(loss)
            assert second.factor == whole.factor
    assert whole.factor == pytest.approx(0.01)


def test_crops_that_ms_ssim_cannot_measure_are_refused():
    with pytest.raises(BadOption, match="above 160"):
        RateDistortion("codec", metric="ms-ssim", crop=192, crop_width=128, val_crop=192)
