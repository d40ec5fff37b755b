"""Other people's checkpoints of latent models: read safely, every entry accounted for, and written again."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_core.files.atomic import atomic_path
from nic_core.weights import WeightsInfo, plain, verified
from nic_core.weights.origin import stem_of
from nic_core.weights.tensors import read_head
from nic_latent.config import from_json
from torch import Tensor, nn

from nic_nn.config import no_larger_than
from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_nn.weights.loading import load_model, mismatch

WRAPPERS = re.compile(r"^((module|model|net)\.)+")
"""What Lightning and data-parallel training put before every name."""
LAMBDAS = ("lmbda", "lambda")
"""What checkpoints call the trade-off that they were trained for, among their hyper-parameters."""
DEEPEST = 4
TABLES = (
    r"(.*\.)?gaussian_conditional\."
    r"|.*entropy_bottleneck\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_lower_bound\.bound)$"
)
"""Entries of CompressAI's entropy models that are no weights but ours to compute."""
PRIOR = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}
"""How CompressAI called the factorised prior's entries before version 1.2.5, and since."""


class State(dict[str, Tensor]):
    """Weights by name. lmbda: the trade-off that the checkpoint says it was trained for, None where it says none."""

    lmbda: float | None = None


def read_state(path: Path, ignore: str = "") -> State:
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


def weights_in(content: Mapping[Any, Any], name: str, ignore: str = "") -> State:
    """Return the weights in a checkpoint's content as `read_state` does; name: what errors call it."""
    lmbda = stated_lambda(content)
    if isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not any(isinstance(value, Tensor) for value in content.values()):
        raise BadWeights(f"{name} holds no named tensors")
    state = {current_name(str(key)): value for key, value in content.items() if isinstance(value, Tensor)}
    no_weights = re.compile(f"{TABLES}|{ignore}" if ignore else TABLES)
    found = State((key, value) for key, value in state.items() if not no_weights.match(key))
    found.lmbda = lmbda
    return found


def stated_lambda(content: Any, depth: int = 0) -> float | None:
    """Return the trade-off among a checkpoint's hyper-parameters, None where there is none."""
    if not isinstance(content, Mapping) or depth == DEEPEST:
        return None
    for name in LAMBDAS:
        value: Any = content.get(name)
        if type(value) in (int, float) and 0 < value < 1e12:
            return float(value)
    return next(filter(None, (stated_lambda(value, depth + 1) for value in content.values())), None)


def current_name(name: str) -> str:
    """Return a checkpoint's name without prefixes, factorised priors' in CompressAI's present form."""
    name = WRAPPERS.sub("", name)
    return re.sub(
        r"(entropy_bottleneck\.)(_matrix|_bias|_factor)(?=\d)", lambda found: found[1] + PRIOR[found[2]], name
    )


def earlier_name(name: str) -> str:
    """Return what CompressAI called a factorised prior's entry when the published checkpoints were made.

    Its present version reads both.
    """
    former = {today: before for before, today in PRIOR.items()}
    pattern = r"(entropy_bottleneck\.)(matrices\.|biases\.|factors\.)(?=\d)"
    return re.sub(pattern, lambda found: found[1] + former[found[2]], name)


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
    constants: for `save`, returns by the authors' entries what their code saves beside parameters; and what it saves in
        another form than `published` names, such as a transposed matrix, takes the place of the entry.
    bare: whether the authors save the entries alone, and not as "state_dict" of a larger whole.
    """

    codec: str
    build: Callable[[Any], LatentModel]
    infer: Callable[[Mapping[str, Tensor]], Any]
    default: Any
    published: Callable[[str], str]
    ignore: str = ""
    read: Callable[[Path, str], Mapping[str, Tensor]] = read_state
    constants: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = lambda state: {}
    bare: bool = False

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
        state = self.read(source, self.ignore)
        lmbda = getattr(state, "lmbda", None)
        provenance = {
            "summary": plain(f"imported from {source.name}"),
            "importer": self.build.__module__,
            **({"lambda": lmbda} if lmbda is not None else {}),
        }
        info = WeightsInfo(codec, plain(stem_of(source)), {}, "", "", provenance=provenance)
        return export(self.model_of(state, source.name), Path(output), info, floats=True, **making)

    def save(self, codec: str, source: Path, output: Path) -> None:
        """Write a weights file as a checkpoint that the authors' code reads, as `ImporterSpec.exporter` is called.

        It holds the parameters in float32, as they were trained or imported, and the constants that the authors' code
        saves; tables are empty, as in a checkpoint of training, since that code computes its own.
        BadWeights for weights of another codec, or damaged ones.
        """
        state = self.entries(self.opened(codec, source))
        with atomic_path(output) as part:
            torch.save(state if self.bare else {"epoch": 0, "state_dict": state}, part)

    def entries(self, model: LatentModel) -> dict[str, Tensor]:
        """Return what the authors' code would save of a model, by its names."""
        named = {self.published(name): value.detach() for name, value in model.named_parameters()}
        state = {earlier_name(name): value for name, value in named.items()} | dict(self.constants(named))
        return {name: value.contiguous() for name, value in state.items()}

    def opened(self, codec: str, source: Path) -> LatentModel:
        """Return the model of a weights file with all of its parameters; BadWeights as `save` says."""
        info, head = verified(source), read_head(source)
        if info.codec != codec:
            raise BadWeights(f"{source.name} holds weights of {info.codec}, not of {codec}")
        try:
            with no_larger_than(len(head.entries), head.elements):
                model = self.build(from_json(type(self.default), info.config))
        except Exception as error:  # sizes that fit nothing break a model anywhere
            raise BadWeights(f"{source.name} has a config that {codec} cannot be built from: {error}") from error
        return load_model(model, source)
