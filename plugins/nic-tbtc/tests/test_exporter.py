"""Checkpoints for the public implementation: its names and shapes, and nothing lost on the way."""

import pytest
import torch
from nic_core import plugins
from nic_nn.testing import assert_layout, assert_round_trip, filled
from nic_tbtc.config import TbtcConfig, context_of, transform_of
from nic_tbtc.importer import export_checkpoint, import_checkpoint, importer
from nic_tbtc.model import Tbtc
from nic_tbtc.tcm import importer as tcm_importer
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from tbtc_reference import CODECS, GOLDEN
from tcm_reference import SMALL


def small(codec: str) -> Tbtc:
    """Return a small model of a codec."""
    depths = ((1, 1, 1, 1), (2, 1)) if transform_of(codec) == "swint" else ()
    return filled(Tbtc(TbtcConfig(transform_of(codec), context_of(codec), (16, 32, 32, 64), (32, 32), *depths)))


@pytest.mark.parametrize("codec", CODECS)
def test_names_and_shapes_are_the_public_ones(codec):
    assert_layout(importer(codec).entries(Tbtc(TbtcConfig.of(codec))), GOLDEN / f"{codec}.manifest.json")


def test_names_and_shapes_of_tcm_are_the_public_ones():
    entries = tcm_importer.import_checkpoint.entries(Tcm(TcmConfig.of("S")))
    assert_layout(entries, GOLDEN / "tcm.manifest.json")


def test_weights_of_tcm_go_back_and_forth(tmp_path):
    made = tcm_importer.import_checkpoint, tcm_importer.export_checkpoint
    assert_round_trip("tcm", filled(Tcm(SMALL)), made[1], made[0], tmp_path)


@pytest.mark.parametrize("codec", CODECS)
def test_weights_go_back_and_forth(codec, tmp_path):
    assert_round_trip(codec, small(codec), export_checkpoint, import_checkpoint, tmp_path)


def test_constants_are_the_public_ones():
    entries = importer("tbtc-swint-charm").entries(small("tbtc-swint-charm"))
    index = entries["g_a.layers.0.blocks.0.attn.relative_position_index"]
    assert index.dtype == torch.int64 and index[0, :4].tolist() == [112, 111, 110, 109]
    assert entries["gaussian_conditional.scale_bound"].item() == pytest.approx(0.11)
    assert entries["entropy_bottleneck.target"].tolist() == pytest.approx([-21.416412, 0, 21.416412])
    gdns = importer("tbtc-conv-charm").entries(small("tbtc-conv-charm"))
    assert gdns["g_a.1.beta_reparam.pedestal"].item() == 2**-36


def test_records_of_published_checkpoints():
    found = [spec for _, spec in plugins.records("nic_checkpoints") if spec.codec in (*CODECS, "tcm")]
    assert [(spec.codec, spec.lmbda) for spec in found if spec.codec != "tcm"] == [
        ("tbtc-conv-hyperprior", 0.01),
        ("tbtc-conv-charm", 0.01),
        ("tbtc-swint-hyperprior", 0.01),
        ("tbtc-swint-charm", 0.01),
    ]
    tcm = {spec.name: spec.lmbda for spec in found if spec.codec == "tcm"}
    assert len(tcm) == 7 and tcm["tcm-128-0.05"] == tcm["tcm-0.05"] == 0.05
