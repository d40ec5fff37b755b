"""Checkpoints for the authors' code: its names and shapes, and nothing lost on the way; what they publish."""

import re

from nic_core import plugins
from nic_nn.testing import assert_layout, assert_round_trip
from nic_taco.config import TacoConfig
from nic_taco.importer import export_checkpoint, import_checkpoint
from nic_taco.model import Taco
from taco_reference import GOLDEN, small_model


def test_names_and_shapes_are_the_authors():
    assert_layout(import_checkpoint.entries(Taco(TacoConfig())), GOLDEN / "taco.manifest.json")


def test_weights_go_back_and_forth(tmp_path):
    assert_round_trip("taco", small_model(), export_checkpoint, import_checkpoint, tmp_path)


def test_published_checkpoints_are_told_apart_by_their_names():
    (spec,) = [spec for _, spec in plugins.records("nic_checkpoints") if spec.codec == "taco"]
    assert spec.lmbda is None and re.fullmatch(spec.member, "checkpoints/0.0004.pth.tar")
    assert not re.fullmatch(spec.member, "README.md")
