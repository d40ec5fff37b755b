"""What every model of latents must do, of a small one; and that its second pass sees the first."""

import torch
from nic_checkers.config import CheckersConfig
from nic_checkers.model import Checkers
from nic_nn.testing import LatentModelTests


class TestCheckers(LatentModelTests):
    codec_id = "checkers"
    values = {"width": 16, "latent": 24, "hyper": 16, "context": 24}
    large = 300_000


@torch.inference_mode()
def test_the_second_pass_sees_the_neighbours_of_the_first_and_no_others() -> None:
    torch.manual_seed(0)
    model = Checkers(CheckersConfig(8, 4, 8, 8)).eval()
    hyper = model.h_s(torch.randn(1, 8, 2, 2))

    def second(anchors: torch.Tensor) -> torch.Tensor:
        context = model.context(hyper)
        next(context)
        return context.send(anchors).mean

    anchors = torch.zeros(1, 4, 8, 8)
    changed = anchors.clone()
    changed[..., 4, 4] = 9
    differs = (second(changed) != second(anchors)).any(1)[0]
    rows, columns = differs.nonzero().T
    assert differs.any()
    assert ((rows - 4).abs().max(), (columns - 4).abs().max()) == (2, 2)
