"""Configs come back from JSON, and nothing is built from those that no model has."""

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from nic_latent.config import from_json
from nic_nn.config import no_larger_than
from torch import nn


@dataclass(frozen=True)
class Sizes:
    """One field of each kind."""

    widths: tuple[int, int]
    slices: tuple[int, ...] = (3,)
    kind: Literal["conv", "swin"] = "conv"
    rate: float = 0.5
    bias: bool = True
    more: tuple[int, ...] | None = None


@pytest.mark.parametrize("config", [Sizes((1, 2)), Sizes((0, 65536), (), "swin", -1e9, False, (4,))])
def test_configs_come_back(config: Sizes) -> None:
    assert from_json(Sizes, json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_whole_numbers_are_numbers_too() -> None:
    assert type(from_json(Sizes, {"widths": [1, 2], "rate": 2}).rate) is float


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"widths": [1, 2], "depth": 3},
        {"widths": [1]},
        {"widths": [1, 2, 3]},
        {"widths": 1},
        {"widths": "12"},
        {"widths": [1, -2]},
        {"widths": [1, True]},
        {"widths": [1, 2.0]},
        {"widths": [1, 65537]},
        {"widths": [1, 10**400]},
        {"widths": [1, None]},
        {"widths": [1, [2]]},
        {"widths": None},
        {"widths": [1, 2], "slices": [1] * 3000},
        {"widths": [1, 2], "kind": "other"},
        {"widths": [1, 2], "kind": ["conv"]},
        {"widths": [1, 2], "rate": float("nan")},
        {"widths": [1, 2], "rate": float("inf")},
        {"widths": [1, 2], "rate": 10**400},
        {"widths": [1, 2], "rate": True},
        {"widths": [1, 2], "bias": 1},
        {"widths": [1, 2], "more": 5},
        {"widths": [1, 2], "more": [5.5]},
    ],
)
def test_values_that_no_config_has(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be|it lacks|it has no"):
        from_json(Sizes, values)


FILE = 4, 4 * 9 * 64 * 64
"""Four convolutions' weights."""


def test_a_model_may_be_as_large_as_its_file() -> None:
    with no_larger_than(*FILE):
        model = nn.Sequential(*(nn.Conv2d(64, 64, 3) for _ in range(8)))
    assert len(model) == 8
    nn.Conv2d(2000, 2000, 3)  # nothing is counted any more


def test_models_do_not_grow_beyond_their_file() -> None:
    start = time.process_time()
    for build in (
        lambda: nn.Conv2d(60_000, 60_000, 3),
        lambda: nn.Linear(3000, 3000),
        lambda: [nn.Conv2d(64, 64, 3) for _ in range(10**9)],
        lambda: [nn.LayerNorm(1) for _ in range(10**9)],
        lambda: torch.zeros(1 << 40),
    ):
        with (
            pytest.raises((ValueError, RuntimeError), match=r"larger model than the file holds|alloc"),
            no_larger_than(*FILE),
        ):
            build()
    assert time.process_time() - start < 5
