"""Reads and writes checkpoints of the authors' code (leieric/Text-Sketch)."""

from collections.abc import Mapping

from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.constants import of_entropy_models, of_gdns, of_masked_convolution
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


def constants(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the authors' code saves beside parameters."""
    mask = of_masked_convolution(state, "context_prediction")
    return {**of_entropy_models(state), **of_gdns(state), **mask}


import_checkpoint = Importer(
    "textsketch-ntc",
    SketchModel,
    infer_config,
    SketchConfig(),
    published_name,
    ignore=CONSTANTS,
    constants=constants,
    bare=True,
)
export_checkpoint = import_checkpoint.save
