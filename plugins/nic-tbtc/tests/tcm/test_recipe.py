"""The recipe of TCM: the public command's values and rates."""

import pytest
import torch
from nic_core.errors import BadOption
from nic_tbtc.tcm.blocks import MixedBlock
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from nic_tbtc.tcm.recipe import TcmRecipe
from tcm_reference import SMALL


def test_values_are_the_public_commands():
    recipe = TcmRecipe("tcm")
    assert (recipe.lmbda, recipe.batch, recipe.crop, recipe.clip) == (0.05, 8, 256, 1.0)
    assert (recipe.lr, recipe.aux_lr, recipe.optimizer, recipe.metric) == (1e-4, 1e-3, "adam", "mse")
    assert TcmRecipe("tcm", size="S").build().model.config == TcmConfig.of("S")
    assert TcmConfig.of("L") == TcmConfig()


def test_the_rate_drops_after_45_and_48_of_50_epochs():
    recipe = TcmRecipe("tcm", steps=50_000)
    stages = recipe.stages()
    assert [stage.steps for stage in stages] == [45_000, 3_000, 2_000]
    assert [recipe.at(stage).lr for stage in stages] == pytest.approx([1e-4, 1e-5, 1e-6])
    assert [recipe.at(stage).aux_lr for stage in stages] == [1e-3] * 3
    assert recipe.at(stages[1]).rate_at(2_999, 3_000) == 1


@pytest.mark.parametrize("steps", [1, 3, 7, 49, 1_875_000])
def test_stages_take_all_steps(steps):
    assert sum(stage.steps for stage in TcmRecipe("tcm", steps=steps).stages()) == steps


def test_another_schedule_has_one_stage():
    (stage,) = TcmRecipe("tcm", steps=100, schedule="cosine").stages()
    assert stage.steps == 100 and not stage.values


def test_attention_is_left_out_more_and_more_often():
    model = Tcm(SMALL, 0.5)
    blocks = [module for part in (model.g_a, model.g_s) for module in part.modules() if isinstance(module, MixedBlock)]
    rates = [0.0 if block.attention.drop_path is None else block.attention.drop_path.drop_prob for block in blocks]
    assert rates == pytest.approx([0.5 * number / 7 for number in range(8)])
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first, second = model.train().g_a(x), model.g_a(x)
        assert not torch.equal(first, second)
        assert torch.equal(model.eval().g_a(x), model.g_a(x))
    with pytest.raises(BadOption, match="drop_path"):
        TcmRecipe("tcm", drop_path=1.0)
