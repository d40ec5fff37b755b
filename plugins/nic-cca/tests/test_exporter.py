"""Checkpoints for the authors' code: its names and shapes, and nothing lost on the way; what they publish."""

from pathlib import Path

from nic_cca.config import CcaConfig
from nic_cca.importer import export_checkpoint, import_checkpoint
from nic_cca.model import Cca
from nic_cca.plugin import tradeoff
from nic_cca.recipe import CcaRecipe
from nic_core import plugins
from nic_core.weights.origin import quality_of
from nic_nn.testing import assert_layout, assert_round_trip, filled

GOLDEN = Path(__file__).parent / "golden"


def test_names_and_shapes_are_the_authors():
    assert_layout(import_checkpoint.entries(Cca(CcaConfig())), GOLDEN / "cca.manifest.json", "aux_entropymodel.")


def test_weights_go_back_and_forth(tmp_path):
    assert_round_trip("cca", filled(Cca(CcaConfig.of(16, 1))), export_checkpoint, import_checkpoint, tmp_path)


def test_published_checkpoints_are_a_ladder():
    found = [spec for _, spec in plugins.records("nic_checkpoints") if spec.codec == "cca"]
    assert [(spec.name, spec.licence) for spec in found] == [(f"cca-{beta}", "MIT") for beta in (0.3, 0.85, 1.8, 3.5)]
    assert [quality_of(tradeoff(spec.lmbda)) for spec in found] == [93.7, 85.3, 75.3, 64.0]
    assert tradeoff(3.5) == CcaRecipe("cca", beta=3.5).tradeoff
