"""Checkpoints for the authors' code: its names and shapes, and nothing lost on the way; what they publish."""

import re
from pathlib import Path

import torch
from nic_core import plugins
from nic_nn.testing import assert_layout, assert_round_trip, filled
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.importer import export_checkpoint, import_checkpoint
from nic_textsketch.sketches.model import SketchModel

GOLDEN = Path(__file__).parent / "golden"


def test_names_and_shapes_are_the_authors():
    entries = import_checkpoint.entries(SketchModel(SketchConfig()))
    assert_layout(entries, GOLDEN / "textsketch-ntc.manifest.json")
    mask = entries["context_prediction.mask"]
    assert mask[0, 0].flatten().tolist() == [1.0] * 12 + [0.0] * 13


def test_weights_go_back_and_forth(tmp_path):
    model = filled(SketchModel(SketchConfig(16)))
    path = assert_round_trip("textsketch-ntc", model, export_checkpoint, import_checkpoint, tmp_path)
    assert "g_a.7.weight" in torch.load(path, weights_only=True)  # a bare dictionary, as the authors save


def test_published_archives():
    models, data = [spec for _, spec in plugins.records("nic_checkpoints") if spec.codec == "textsketch-ntc"]
    assert re.fullmatch(models.member, "trained_ntc_models/Cheng2020AttentionFull_CLIC_HED_ms_ssim_lmbda1.0.pt")
    assert not re.fullmatch(models.member, "__MACOSX/trained_ntc_models/._Cheng_lmbda1.0.pt")
    assert (models.importable, data.importable) == (True, False)
