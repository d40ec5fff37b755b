"""What names tell of checkpoints, and the qualities that trade-offs stand for."""

from itertools import pairwise

import pytest
from nic_core.weights.origin import lambda_in, quality_of, stem_of


@pytest.mark.parametrize(
    ("path", "lmbda"),
    [
        ("0.0004.pth.tar", 0.0004),
        ("run/0.3/ckpttars/checkpoint_best.pth.tar", 0.3),
        ("7.0/ckpttars/checkpoint_best.pth.tar", 7.0),
        ("Cheng2020AttentionFull_CLIC_HED_ms_ssim_lmbda0.5.pt", 0.5),
        ("exp_lambda_0.0016_seed_100_batch_size_8/best_psnr_model_PSNR_29.1.pth.tar", 0.0016),
        ("model-lambda=0.01-epoch=3.ckpt", 0.01),
        ("lambda_1e-3.pt", 1e-3),
        ("beta_15.0/last.ckpt", 15.0),
        ("model-beta2.ckpt", None),
        ("slalam3.ckpt", None),
        ("checkpoint_best.pth.tar", None),
        ("a/b/0.3/c/d/checkpoint.pth.tar", None),
        ("1000.pth", None),
        ("2024/checkpoint.pth", None),
        ("lambda0.pt", None),
        ("lambda0.0.pt", None),
    ],
)
def test_lambdas_in_names(path: str, lmbda: float | None) -> None:
    assert lambda_in(path) == lmbda


def test_names_without_suffixes() -> None:
    assert [stem_of(name) for name in ("a/b.pth.tar", "b.ckpt", "c.json", "d", "0.3.pt")] == ["b", "b", "c", "d", "0.3"]


def test_qualities_are_in_the_order_of_the_trade_offs() -> None:
    tradeoffs = [1e-4, 2e-4, 4e-4, 7.9e-4, 8e-4, 9e-4, 1e-3, 0.003, 0.01, 0.04, 0.045, 0.05, 0.06, 0.1, 0.2]
    qualities = [quality_of(tradeoff) for tradeoff in tradeoffs]
    assert all(low < high for low, high in pairwise(qualities))
    assert qualities[0] >= 1 and qualities[-1] <= 100
    assert quality_of(0.01) == 61.5
    assert quality_of(1e-30) == 1 and quality_of(1e30) == 100


@pytest.mark.parametrize("tradeoff", [0, -1, float("nan"), float("inf")])
def test_what_is_no_trade_off(tradeoff: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        quality_of(tradeoff)
