"""What every model of latents must do, of a small TCM."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from nic_nn.model import LatentModel
from nic_nn.testing import LatentModelTests
from nic_tbtc.tcm.model import Tcm
from nic_tbtc.tcm.recipe import TcmRecipe
from tcm_reference import SMALL, small


class TestTcm(LatentModelTests):
    codec_id = "tcm"
    large = 500_000

    @classmethod
    @contextlib.contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        """The recipe's smallest size is large for a test."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TcmRecipe, "build_model", lambda recipe: Tcm(SMALL))
            yield

    @classmethod
    def random_model(cls, folder: Path) -> LatentModel:
        """Random weights through which signals do not grow."""
        return small()
