"""Reads and writes checkpoints of the model's public PyTorch implementation (jmliu206/LIC_TCM)."""

import math
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import torch
from nic_nn.weights.checkpoints import Importer, State, read_state
from nic_nn.weights.constants import of_entropy_models, of_gdns
from torch import Tensor

from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm

BUFFERS = r".*_reparam\.(pedestal|lower_bound\.bound)$"
"""Entries that are no weights: bounds, which are ours to compute."""
POSITIONS = "msa.relative_position_params"
"""The biases of attention, (heads, 2w - 1, 2w - 1) where ours are ((2w - 1)^2, heads)."""
INSIDE_SWIN = {
    "norm1.": "ln1.",
    "norm2.": "ln2.",
    "attention.qkv.": "msa.embedding_layer.",
    "attention.proj.": "msa.linear.",
    "attention.bias": POSITIONS,
}
NETS = {
    "mean_features": "atten_mean.{}.0",
    "scale_features": "atten_scale.{}.0",
    "mean": "cc_mean_transforms.{}",
    "scale": "cc_scale_transforms.{}",
    "residual": "lrp_transforms.{}",
}
SQUEEZED = {"0.": "in_conv.", "1.": "", "2.": "out_conv."}
"""Parts of the attention of a slice."""


def published_name(name: str) -> str:
    """Return what the public implementation calls a parameter of the model."""
    if found := re.match(r"predictors\.(\d+)\.(\w+)\.(.*)", name):
        net, rest = NETS[found[2]].format(found[1]), found[3]
        return f"{net}.{_in_attention(rest) if found[2].endswith('_features') else rest}"
    if found := re.match(r"((?:[gh]_[as]|h_s\.\w+)\.\d+)\.(attention|convolutions|enter|leave)\.(.*)", name):
        place, part, rest = found.groups()
        inside = {"attention": "trans_block", "convolutions": "conv_block", "enter": "conv1_1", "leave": "conv1_2"}
        name = f"{place}.{inside[part]}.{_in_swin(rest) if part == 'attention' else rest}"
    return re.sub(r"^h_s\.(mean|scale)\.", r"h_\1_s.", name)


def _in_attention(name: str) -> str:
    """Return the same within the attention of a slice, where theirs has the Swin blocks beside the gate."""
    name = re.sub(r"^(\d\.)", lambda found: SQUEEZED[found[1]], name)
    if found := re.match(r"conv_b\.1\.([01])\.(.*)", name):
        return f"non_local_block.block_{int(found[1]) + 1}.{_in_swin(found[2])}"
    return re.sub(r"^conv_b\.(\d+)", lambda found: f"conv_b.{int(found[1]) - 3}", name)


def _in_swin(name: str) -> str:
    """Return the same within a Swin block."""
    for ours, theirs in INSIDE_SWIN.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def read(path: Path, ignore: str = "") -> State:
    """Return the weights in a file, see `read_state`, with the biases of attention as ours lie."""
    state = read_state(path, ignore)
    state.update({name: by_offset(value) for name, value in state.items() if name.endswith(POSITIONS)})
    return state


def by_offset(bias: Tensor) -> Tensor:
    """Return (heads, 2w - 1, 2w - 1) as ((2w - 1)^2, heads), and what no model has as it is."""
    return bias.flatten(1).t() if bias.ndim == 3 and bias.layout == torch.strided else bias


def beside(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the public implementation saves beside parameters, and the biases of attention as its lie."""
    biases = {name: by_head(value) for name, value in state.items() if name.endswith(POSITIONS)}
    return {**of_entropy_models(state), **of_gdns(state), **biases}


def by_head(bias: Tensor) -> Tensor:
    """Return ((2w - 1)^2, heads) as (heads, 2w - 1, 2w - 1)."""
    return bias.t().unflatten(1, (math.isqrt(len(bias)), -1))


def infer_config(state: Mapping[str, Tensor]) -> TcmConfig:
    """Return the config that a checkpoint's shapes tell; an error where they cannot be this model's."""
    width = len(state["g_a.0.conv1.weight"]) // 2
    stages = [(transform, stage) for transform in ("g_a", "g_s") for stage in stages_of(transform, state)]
    first = "atten_mean.0.0.non_local_block.block_1"
    attention = len(state["atten_mean.0.0.in_conv.weight"])
    return TcmConfig(
        width,
        latent=state["h_a.0.conv1.weight"].shape[1],
        hyper=len(state["entropy_bottleneck.quantiles"]),
        depths=tuple(len(stage) for _, stage in stages),
        head_widths=tuple(width // heads(f"{place}.{stage[0]}.trans_block", state) for place, stage in stages),
        hyper_head_width=width // heads("h_a.1.trans_block", state),
        slices=sum(re.fullmatch(r"cc_mean_transforms\.\d+\.0\.weight", name) is not None for name in state),
        attention=attention,
        attention_head_width=attention // heads(first, state),
        context=(len(state["cc_mean_transforms.0.0.weight"]), len(state["cc_mean_transforms.0.2.weight"])),
    )


def stages_of(transform: str, state: Mapping[str, Tensor]) -> list[list[int]]:
    """Return the places of a transform's mixed blocks, those that follow one another together."""
    found = (re.fullmatch(rf"{transform}\.(\d+)\.conv1_1\.weight", name) for name in state)
    places = enumerate(sorted(int(each[1]) for each in found if each))
    return [[place for _, place in stage] for _, stage in groupby(places, lambda pair: pair[1] - pair[0])]


def heads(block: str, state: Mapping[str, Tensor]) -> int:
    """Return how many heads a block has."""
    return state[f"{block}.{POSITIONS}"].shape[1]


import_checkpoint = Importer(
    "tcm", Tcm, infer_config, TcmConfig(), published_name, ignore=BUFFERS, read=read, constants=beside
)
export_checkpoint = import_checkpoint.save
