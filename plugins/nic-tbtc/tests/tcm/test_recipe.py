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


@pytest.mark.parametrize("steps", [50, 50_000, 1_875_000])
def test_the_rate_drops_after_45_and_48_of_50_epochs(steps):
    recipe = TcmRecipe("tcm", steps=steps)
    drops = [steps * epoch // 50 for epoch in (0, 45, 48)]
    assert [recipe.rate_at(step, steps) for step in drops] == pytest.approx([1, 0.1, 0.01])
    assert [recipe.rate_at(step - 1, steps) for step in (*drops[1:], steps)] == pytest.approx([1, 0.1, 0.01])
    assert not recipe.mirror


def test_every_size_can_be_set():
    recipe = TcmRecipe("tcm", size="S", model={"depths": (1, 1, 1, 1, 1, 1)})
    assert recipe.config.depths == (1,) * 6
    with pytest.raises(BadOption):
        TcmRecipe("tcm", model={"depths": (1, 1)})


def test_attention_is_left_out_more_and_more_often():
    model = Tcm(SMALL, 0.5)
    blocks = [module for part in (model.g_a, model.g_s) for module in part.modules() if isinstance(module, MixedBlock)]
    rates = [0.0 if block.attention.drop_path is None else block.attention.drop_path.drop_prob for block in blocks]
    assert rates == pytest.approx([0.5 * number / 7 for number in range(8)])
    torch.manual_seed(1)
    x = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        first, second = model.train().g_a(x), model.g_a(x)
        assert not torch.equal(first, second)
        assert torch.equal(model.eval().g_a(x), model.g_a(x))
    with pytest.raises(BadOption, match="drop_path"):
        TcmRecipe("tcm", drop_path=1.0)
