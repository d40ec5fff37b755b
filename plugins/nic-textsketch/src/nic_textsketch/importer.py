"""Reads generators' configs in JSON."""

from pathlib import Path

from nic_core.errors import BadWeights
from nic_core.files.json_files import read_json
from nic_core.weights import WeightsInfo
from safetensors.torch import save_file

from nic_textsketch.config import GeneratorConfig
from nic_textsketch.sketches.annotators import ANNOTATORS


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
