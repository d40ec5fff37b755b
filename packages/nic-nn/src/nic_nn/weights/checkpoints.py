"""Other people's checkpoints of latent models: read safely, and every entry accounted for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_core.weights import WeightsInfo, plain
from torch import Tensor, nn

from nic_nn.config import no_larger_than
from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_nn.weights.loading import mismatch

WRAPPERS = re.compile(r"^((module|model)\.)+")
"""What Lightning and data-parallel training put before every name."""
TABLES = (
    r"(.*\.)?gaussian_conditional\."
    r"|.*entropy_bottleneck\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_lower_bound\.bound)$"
)
"""Entries of CompressAI's entropy models that are no weights but ours to compute."""
PRIOR = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}
"""How CompressAI called the factorised prior's entries before version 1.2.5, and since."""


def read_state(path: Path, ignore: str = "") -> dict[str, Tensor]:
    """Return the weights in a file under the names they have today, without wrappers' prefixes and without buffers.

    ignore: a regular expression for the beginning of further names that are no weights.
    BadWeights where the file is no checkpoint of plain tensors; nothing else in it is ever executed.
    """
    return weights_in(read_content(path), path.name, ignore)


def read_content(path: Path) -> Mapping[Any, Any]:
    """Return what a file holds; BadWeights where it is no checkpoint of plain tensors."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadWeights(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch raises nearly anything on foreign bytes
        raise BadWeights(f"{path.name} is no PyTorch checkpoint of plain tensors") from error
    return content if isinstance(content, Mapping) else {}


def weights_in(content: Mapping[Any, Any], name: str, ignore: str = "") -> dict[str, Tensor]:
    """Return the weights in a checkpoint's content as `read_state` does; name: what errors call it."""
    if isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not any(isinstance(value, Tensor) for value in content.values()):
        raise BadWeights(f"{name} holds no named tensors")
    state = {current_name(str(key)): value for key, value in content.items() if isinstance(value, Tensor)}
    no_weights = re.compile(f"{TABLES}|{ignore}" if ignore else TABLES)
    return {key: value for key, value in state.items() if not no_weights.match(key)}


def current_name(name: str) -> str:
    """Return a checkpoint's name without prefixes, factorised priors' in CompressAI's present form."""
    name = WRAPPERS.sub("", name)
    return re.sub(
        r"(entropy_bottleneck\.)(_matrix|_bias|_factor)(?=\d)", lambda found: found[1] + PRIOR[found[2]], name
    )


def fill(model: nn.Module, state: Mapping[str, Tensor], published: Callable[[str], str], source: str) -> None:
    """Take every parameter of a model from the entry of a checkpoint that holds it.

    published: returns the entry's name for one of ours. source: what an error calls the checkpoint.
    BadWeights names the first few entries that are missing, extra or of another shape.
    """
    names = {published(name): name for name, _ in model.named_parameters()}
    if found := mismatch({theirs: model.get_parameter(ours).shape for theirs, ours in names.items()}, state):
        raise BadWeights(f"{source}: {found}")
    try:
        model.load_state_dict({ours: state[theirs].float() for theirs, ours in names.items()}, strict=False)
    except RuntimeError as error:  # tensors of other kinds: sparse, quantised
        raise BadWeights(f"{source}: {str(error).splitlines()[0]}") from error
    model.eval()


@dataclass(frozen=True)
class Importer:
    """Reads one codec's checkpoints: call it with (codec, source, output), as `ImporterSpec.target` is called.

    codec: its id.
    build: returns the model of a config.
    infer: returns the config that a checkpoint's shapes tell; KeyError, IndexError or ValueError where they can be no
        such model's.
    default: a config for saying how another codec's checkpoint differs.
    published, ignore: see `fill` and `read_state`.
    read: takes the place of `read_state` where checkpoints have another format.
    """

    codec: str
    build: Callable[[Any], LatentModel]
    infer: Callable[[Mapping[str, Tensor]], Any]
    default: Any
    published: Callable[[str], str]
    ignore: str = ""
    read: Callable[[Path, str], Mapping[str, Tensor]] = read_state

    def load(self, path: Path) -> LatentModel:
        """Return the model of a checkpoint.

        BadWeights where the file is no checkpoint, or not one of this codec: then with the first few entries that are
        missing, extra or of another shape.
        """
        return self.model_of(self.read(path, self.ignore), path.name)

    def model_of(self, state: Mapping[str, Tensor], name: str) -> LatentModel:
        """Return the model of a checkpoint's weights; BadWeights as `load` says. name: what errors call it."""
        try:
            # By bytes that are there: the shape of a tensor may repeat one number without end.
            storages = {value.untyped_storage().data_ptr(): value.untyped_storage() for value in state.values()}
            with no_larger_than(len(state), sum(storage.nbytes() for storage in storages.values())):
                model = self.build(self.infer(state))
        except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError):
            model = self.build(self.default)
        fill(model, state, self.published, f"{name} is no checkpoint of {self.codec}")
        return model

    def __call__(self, codec: str, source: Path, output: Path, **making: Any) -> WeightsInfo:
        """Write a checkpoint as a weights file with integer nets; BadWeights as `load` says.

        making: `calibrate` or `integers_of`, as `export` takes them.
        """
        source = Path(source)
        provenance = {"summary": plain(f"imported from {source.name}"), "importer": self.build.__module__}
        info = WeightsInfo(codec, plain(source.stem), {}, "", "", provenance=provenance)
        return export(self.load(source), Path(output), info, floats=True, **making)
