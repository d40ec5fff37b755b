"""Reads checkpoints of the authors' code (leieric/Text-Sketch)."""

from collections.abc import Mapping

from nic_nn.weights.checkpoints import Importer
from torch import Tensor

from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.model import SketchModel

CONSTANTS = r".*gdn\.(beta|gamma)_reparam\.|context_prediction\.mask"
"""Entries that every checkpoint holds alike."""


def published_name(name: str) -> str:
    """Return what the authors' code calls a parameter of ours."""
    return name.replace("raster.window.", "context_prediction.").replace("raster.predict.", "entropy_parameters.")


def infer_config(state: Mapping[str, Tensor]) -> SketchConfig:
    """Return the config that a checkpoint's shapes tell; KeyError or ValueError where they tell none."""
    return SketchConfig(len(state["g_a.7.weight"]))


import_checkpoint = Importer(
    "textsketch-ntc", SketchModel, infer_config, SketchConfig(), published_name, ignore=CONSTANTS
)
