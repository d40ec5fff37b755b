"""What every model of latents must do, of small ones of all four kinds."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from nic_nn.testing import LatentModelTests
from nic_tbtc.config import TbtcConfig, context_of, transform_of
from nic_tbtc.model import Tbtc
from nic_tbtc.recipe import TbtcRecipe


class Small(LatentModelTests):
    large = 500_000

    @classmethod
    @contextlib.contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        """The recipe's smallest size is large for a test."""
        depths = ((1, 1, 1, 1), (2, 1)) if transform_of(cls.codec_id) == "swint" else ()
        widths = (16, 32, 32, 64), (32, 32)
        config = TbtcConfig(transform_of(cls.codec_id), context_of(cls.codec_id), *widths, *depths)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TbtcRecipe, "build_model", lambda recipe: Tbtc(config))
            yield


@pytest.mark.long
class TestConvHyperprior(Small):
    codec_id = "tbtc-conv-hyperprior"


class TestConvCharm(Small):
    codec_id = "tbtc-conv-charm"


@pytest.mark.long
class TestSwintHyperprior(Small):
    codec_id = "tbtc-swint-hyperprior"


@pytest.mark.long
class TestSwintCharm(Small):
    codec_id = "tbtc-swint-charm"
