"""Reads checkpoints of the models' public PyTorch implementation (ali-zafari/TBTC)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_core.weights import WeightsInfo
from nic_nn.export import export, mismatch
from torch import Tensor

from nic_tbtc.config import TbtcConfig, context_of, transform_of
from nic_tbtc.model import Tbtc

WRAPPERS = re.compile(r"^((module|model)\.)+")
"""What Lightning and data-parallel training put before every name."""
BUFFERS = re.compile(
    r"gaussian_conditional\."
    r"|entropy_bottleneck\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_lower_bound\.bound)$"
    r"|.*(\.relative_position_index|_reparam\.pedestal|_reparam\.lower_bound\.bound)$"
)
"""Entries that are no weights: tables, positions, bounds. All are ours to compute."""
PRIOR = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}
"""How CompressAI called the factorised prior's entries before version 1.2.5, and since."""
INSIDE_SWIN = {
    "attention.bias": "attn.relative_position_bias_table",
    "attention.": "attn.",
    "mlp.0.": "mlp.fc1.",
    "mlp.2.": "mlp.fc2.",
    "expansion.": "reduction.",
}


def import_checkpoint(codec: str, source: Path, output: Path) -> WeightsInfo:
    """Write a checkpoint as a weights file with frozen tables; BadWeights as `load_checkpoint` says."""
    source = Path(source)
    model = load_checkpoint(codec, source)
    provenance = {"summary": f"imported from {source.name}", "importer": __name__}
    return export(model, Path(output), WeightsInfo(codec, source.stem, {}, "", "", provenance=provenance))


def load_checkpoint(codec: str, path: Path) -> Tbtc:
    """Return the model of a checkpoint, its sizes inferred from the shapes.

    Raises BadWeights where the file is no checkpoint, or not one of this codec: then with the first few entries that
    are missing, extra or of another shape.
    """
    state = read_state(path)
    try:
        config = infer_config(codec, state)
        model = Tbtc(config)
    except (KeyError, IndexError, ValueError):  # no size fits, so it is another codec's: the comparison says how
        config = TbtcConfig.of(codec)
        model = Tbtc(config)
    published = {published_name(name, config.transform): name for name, _ in model.named_parameters()}
    shapes = {name: model.get_parameter(ours).shape for name, ours in published.items()}
    if found := mismatch(shapes, state):
        raise BadWeights(f"{path.name} is no checkpoint of {codec}: {found}")
    model.load_state_dict({ours: state[name].float() for name, ours in published.items()}, strict=False)
    return model.eval()


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file under the names they have today, without wrappers' prefixes and without buffers."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadWeights(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch raises nearly anything on foreign bytes
        raise BadWeights(f"{path.name} is no PyTorch checkpoint of plain tensors") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise BadWeights(f"{path.name} holds no named tensors")
    state = {current_name(str(name)): value for name, value in content.items() if isinstance(value, Tensor)}
    return {name: value for name, value in state.items() if not BUFFERS.match(name)}


def current_name(name: str) -> str:
    """Return a checkpoint's name without prefixes, the factorised prior's in CompressAI's present form."""
    name = WRAPPERS.sub("", name)
    return re.sub(
        r"^(entropy_bottleneck\.)(_matrix|_bias|_factor)(?=\d)", lambda found: found[1] + PRIOR[found[2]], name
    )


def published_name(name: str, transform: str) -> str:
    """Return what the public implementation calls a parameter of ours."""
    name = re.sub(r"^charm\.(mean|scale)s\.(\d+)\.", r"charm_\1_transforms.\2.layers.", name)
    found = re.match(r"([gh]_[as])\.(\d+)\.(.*)", name)
    if transform == "conv" or not found:
        return name
    top, index, rest = found[1], int(found[2]), found[3]
    embedding = {"g_a": "patch_embed", "h_a": "patch_merger"}
    if top in embedding and index == 0:
        return f"{top}.{embedding[top]}.proj.{rest}"
    # Stages and mergings (or splittings) take turns, after two modules in an analysis and one in a synthesis.
    layer, kind = divmod(index - (2 if top in embedding else 1), 2)
    for ours, theirs in INSIDE_SWIN.items():
        if ours in rest:
            rest = rest.replace(ours, theirs)
            break
    return f"{top}.layers.{layer}.{('blocks', 'downsample')[kind]}.{rest}"


def infer_config(codec: str, state: Mapping[str, Tensor]) -> TbtcConfig:
    """Return the config that a checkpoint's shapes tell; KeyError or IndexError where they cannot be this codec's."""
    context = context_of(codec)
    if transform_of(codec) == "conv":
        widths, hyper_widths = (
            tuple(state[f"{top}.{i}.weight"].shape[0] for i in layers)
            for top, layers in (("g_a", (0, 2, 4, 6)), ("h_a", (2, 4)))
        )
        return TbtcConfig("conv", context, widths, hyper_widths)
    stages, hyper_stages = ([f"{top}.layers.{i}.blocks" for i in range(n)] for top, n in (("g_a", 4), ("h_a", 2)))
    widths, hyper_widths = (
        tuple(state[f"{stage}.0.norm1.weight"].shape[0] for stage in part) for part in (stages, hyper_stages)
    )
    depths, hyper_depths = (tuple(depth(stage, state) for stage in part) for part in (stages, hyper_stages))
    return TbtcConfig("swint", context, widths, hyper_widths, depths, hyper_depths)


def depth(stage: str, state: Mapping[str, Tensor]) -> int:
    """Return how many blocks a stage has."""
    return len({name.removeprefix(f"{stage}.").partition(".")[0] for name in state if name.startswith(f"{stage}.")})
