"""Reads and writes checkpoints of the authors' code (leieric/Text-Sketch), and generators' configs in JSON."""

from collections.abc import Mapping
from pathlib import Path

from nic_core.errors import BadWeights
from nic_core.files.json_files import read_json
from nic_core.weights import WeightsInfo
from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.constants import of_entropy_models, of_gdns, of_masked_convolution
from safetensors.torch import save_file
from torch import Tensor

from nic_textsketch.config import GeneratorConfig, SketchConfig
from nic_textsketch.sketches.annotators import ANNOTATORS
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


def import_config(codec: str, source: Path, output: Path) -> WeightsInfo:
    """Write the config of a generator, a JSON file, as a weights file; BadWeights where it is none for the codec.

    Its rank is below that of the bundled one, so that adding it, to decode files made with it, changes no default.
    """
    source = Path(source)
    try:
        config = GeneratorConfig.from_json(read_json(source))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise BadWeights(f"{source.name} is no config of a generator: {reason}") from error
    if unknown := [name for name in config.controlnets if name not in ANNOTATORS]:
        known = ", ".join(ANNOTATORS)
        raise BadWeights(f"{source.name} has a ControlNet for {unknown[0]!r}, which is no annotator; there are {known}")
    return write_config(codec, config, source.stem, Path(output), rank=-1)


def write_config(codec: str, config: GeneratorConfig, name: str, output: Path, rank: int = 0) -> WeightsInfo:
    """Write the weights file of a generator: no tensors, only its record."""
    if bool(config.controlnets) != (codec == "textsketch-pics"):
        raise BadWeights(f"{codec} needs a config with{'' if codec == 'textsketch-pics' else 'out'} controlnets")
    provenance = {"summary": f"generates with {config.base.name}"}
    fingerprint = config.fingerprint
    info = WeightsInfo(codec, name, config.to_json(), fingerprint, fingerprint, rank=rank, provenance=provenance)
    save_file({}, output, info.to_metadata())
    return info
