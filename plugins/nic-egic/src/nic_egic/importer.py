"""Reads TensorFlow checkpoints of the authors' code (Nikolai10/EGIC)."""

import re
from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import torch
from nic_core.errors import BadWeights
from nic_nn.weights.checkpoints import Importer
from torch import Tensor

from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_egic.variables import read_variables

NAMES = (
    (r"^entropy_bottleneck\.", "hyperprior._base._"),
    (r"^charm\.(mean|scale)s\.(\d+)\.", r"cc_\1_transforms.\2.transform."),
    *((rf"(\.transform\.){2 * layer}\.", rf"\1layer_with_weights-{layer}._") for layer in range(3)),
    (r"\._weight$", "._kernel_parameter"),
    (r"\._bias$", "._bias_parameter"),
    (r"^g_a\.", "analysis_transform."),
    (r"^g_s\.mse_head\.", "synthesis_transform.cond_model.layer_with_weights-0."),
    (r"^g_s\.", "synthesis_transform."),
    (r"^h_a\.", "hyper_analysis_transform."),
    (r"^h_s\.", "hyper_synthesis_mean_scale_transform."),
    (r"(_transform\.)(?:stages\.)?(\d)\.", r"\1layer_with_weights-\2."),
    (r"(analysis_transform\.layer_with_weights-0)\.0\.", r"\1."),
    (r"(-\d)\.0\.", r"\1.blocks."),
    (r"(analysis_transform\.layer_with_weights-\d)\.1\.", r"\1.downsample."),
    (r"(-\d)\.1\.", r"\1.upsample."),
    (r"\.expansion\.", ".reduction."),
    (r"\.attention\.bias$", ".attn.relative_position_bias_table"),
    (r"\.attention\.", ".attn."),
    (r"\.mlp\.0\.", ".mlp.layer_with_weights-0."),
    (r"\.mlp\.2\.", ".mlp.layer_with_weights-1."),
    (r"(\.norm\d?)\.weight$", r"\1.gamma"),
    (r"(\.norm\d?)\.bias$", r"\1.beta"),
    (r"\.weight$", ".kernel"),
)
"""What to replace in a name of ours, one after another, to get the authors', with dots for slashes."""
CODEC = re.compile(r"(hyper_)?(analysis|synthesis)(_mean_scale)?_transform/|cc_(mean|scale)_transforms/|hyperprior/")
"""Beginnings of the codec's variables; others are the discriminator's, the optimizers' and counters."""
SECOND_HEAD = "synthesis_transform/cond_model/"


def published_name(name: str) -> str:
    """Return what the authors' code calls a parameter of ours."""
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    return name.replace(".", "/")


def as_ours(name: str, value: np.ndarray) -> Tensor:
    """Return a variable in PyTorch's layout: kernels (out, in) and (out, in, height, width)."""
    tensor = torch.from_numpy(np.array(value))
    if name.endswith("_kernel_parameter") and tensor.ndim == 4:
        tensor = tensor.flip(0, 1)  # of a true convolution, where PyTorch correlates
    if "kernel" in name and tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous()
    return tensor.T.contiguous() if "kernel" in name and tensor.ndim == 2 else tensor


def codec_state(variables: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return the codec's variables in PyTorch's layout, by name without the leading "model/"."""
    named = {name.removeprefix("model/"): value for name, value in variables.items()}
    return {
        name: as_ours(name, value)
        for name, value in named.items()
        if CODEC.match(name) and "/_naked_clone_layer/" not in name
    }


def read_codec(path: Path, ignore: str = "") -> dict[str, Tensor]:
    """Return the codec's variables in a checkpoint; BadWeights and NicError as `read_variables` says."""
    state = codec_state(read_variables(path))
    if not state:
        raise BadWeights(f"{path.name} holds no variables of EGIC, such as analysis_transform/...")
    return state


def infer_config(state: Mapping[str, Tensor]) -> EgicConfig:
    """Return the config that a checkpoint's shapes tell; KeyError, IndexError or ValueError where they tell none."""
    stages = [f"analysis_transform/layer_with_weights-{i}" for i in range(1, 5)]
    hyper_stages = [f"hyper_{stage}" for stage in stages[:2]]
    widths, hyper_widths = (
        tuple(len(state[f"{stage}/blocks/0/norm1/gamma"]) for stage in part) for part in (stages, hyper_stages)
    )
    depths, hyper_depths = (tuple(depth(stage, state) for stage in part) for part in (stages, hyper_stages))
    nets = (f"cc_mean_transforms/{i}/transform/layer_with_weights-0" for i in count())
    context = list(takewhile(lambda net: f"{net}/_bias_parameter" in state, nets))
    # What a slice's net sees besides its part of the hyper-synthesis.
    support = state[f"{context[-1]}/_kernel_parameter"].shape[1] // (widths[-1] // len(context)) - 1
    return EgicConfig(
        widths=widths,
        depths=depths,
        hyper_widths=hyper_widths,
        hyper_depths=hyper_depths,
        context_widths=tuple(len(state[f"{net}/_bias_parameter"]) for net in context),
        # The last slice sees all before it: there is no limit, and none that could be told from the shapes.
        support=support if support < len(context) - 1 else EgicConfig.support,
        head_dim=widths[0] // state[f"{stages[0]}/blocks/0/attn/relative_position_bias_table"].shape[1],
        orp=any(name.startswith(SECOND_HEAD) for name in state),
    )


def depth(stage: str, state: Mapping[str, Tensor]) -> int:
    """Return how many blocks a stage has."""
    return sum(f"{stage}/blocks/{block}/norm1/gamma" in state for block in range(len(state)))


import_checkpoint = Importer("egic", Egic, infer_config, EgicConfig(), published_name, read=read_codec)
