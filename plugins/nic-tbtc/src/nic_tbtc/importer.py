"""Reads and writes checkpoints of the models' public PyTorch implementation (ali-zafari/TBTC)."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from nic_core.weights import WeightsInfo
from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.constants import of_entropy_models, of_gdns, of_windows
from torch import Tensor

from nic_tbtc.config import TbtcConfig, context_of, transform_of
from nic_tbtc.model import Tbtc

BUFFERS = r".*(\.relative_position_index|_reparam\.pedestal|_reparam\.lower_bound\.bound)$"
"""Entries that are no weights: positions and bounds, which are ours to compute."""
INSIDE_SWIN = {
    "attention.bias": "attn.relative_position_bias_table",
    "attention.": "attn.",
    "mlp.0.": "mlp.fc1.",
    "mlp.2.": "mlp.fc2.",
    "expansion.": "reduction.",
}


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


def importer(codec: str) -> Importer:
    """Return the reader of one codec's checkpoints."""
    published = partial(published_name, transform=transform_of(codec))
    return Importer(
        codec, Tbtc, partial(infer_config, codec), TbtcConfig.of(codec), published, ignore=BUFFERS, constants=constants
    )


def import_checkpoint(codec: str, source: Path, output: Path) -> WeightsInfo:
    """Write a checkpoint as a weights file; BadWeights as `Importer.load` says."""
    return importer(codec)(codec, source, output)


def export_checkpoint(codec: str, source: Path, output: Path) -> None:
    """Write a weights file as a checkpoint; see `Importer.save`."""
    importer(codec).save(codec, source, output)


def constants(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the public implementation saves beside parameters."""
    return {**of_entropy_models(state), **of_gdns(state), **of_windows(state)}


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
