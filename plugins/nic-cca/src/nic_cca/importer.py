"""Reads and writes checkpoints of the model's public PyTorch implementation (LabShuHangGU/CCA)."""

import re
from collections.abc import Mapping

from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.constants import of_entropy_models
from torch import Tensor

from nic_cca.config import CcaConfig
from nic_cca.model import Cca

AUXILIARY = r"aux_entropymodel\."
"""The entries of the training-only model, which most published checkpoints hold."""
INSIDE = {
    "expand.": "dwconv.0.",
    "depthwise.": "dwconv.1.",
    "attention.": "sca.",
    "project.": "conv1.",
    "feed_forward.": "FFN.",
    "branch.0.": "conv1.",
    "branch.2.": "conv2.",
    "branch.4.": "conv3.",
}
"""Parts of NAF and residual bottleneck blocks."""
PREDICTORS = {
    "mean_features.enter": "mean_NAF_transforms.{}.in_conv",
    "mean_features.blocks": "mean_NAF_transforms.{}.blocks",
    "mean_features.leave": "mean_NAF_transforms.{}.out_conv",
    "scale_features.enter": "scale_NAF_transforms.{}.in_conv",
    "scale_features.blocks": "scale_NAF_transforms.{}.blocks",
    "scale_features.leave": "scale_NAF_transforms.{}.out_conv",
    "mean": "mean_cc_transforms.{}",
    "scale": "scale_cc_transforms.{}",
    "residual": "lrp_transforms.{}",
}


def published_name(name: str) -> str:
    """Return what the public implementation calls a parameter of the model."""
    if found := re.match(r"predictors\.(\d+)\.(\w+(?:\.(?:enter|blocks|leave))?)\.(.*)", name):
        name = f"{PREDICTORS[found[2]].format(found[1])}.{found[3]}"
    elif found := re.match(r"(g_a|g_s)\.(\d+)\.(.*)", name):
        index, kind = divmod(int(found[2]), 2)
        name = f"{found[1]}.{('down' if found[1] == 'g_a' else 'up', 'blocks')[kind]}.{index}.{found[3]}"
    elif found := re.match(r"h_s\.(mean|scale)\.(.*)", name):
        name = f"h_{found[1]}_s.{found[2]}"
    elif name.startswith("entropy_bottleneck."):
        name = f"z_{name}"
    for ours, theirs in INSIDE.items():
        name = name.replace(ours, theirs)
    return name


def published_auxiliary_name(name: str) -> str:
    """Return what the public implementation calls a parameter of the auxiliary entropy model."""
    return "aux_entropymodel." + published_name(name).replace("z_entropy_bottleneck.", "y_entropy_bottleneck.")


def infer_config(state: Mapping[str, Tensor]) -> CcaConfig:
    """Return the config that a checkpoint's shapes tell; KeyError where they cannot be this codec's."""
    counts = [block_counts(state, f"g_a.blocks.{scale}.") for scale in range(3)]
    widths = [len(state[f"g_a.down.{scale}.weight"]) for scale in range(3)]
    slices = [len(state[f"mean_cc_transforms.{i}.4.weight"]) for i in range(5)]
    return CcaConfig(
        widths=(widths[0], widths[1], widths[2]),
        blocks=(counts[0][1], counts[1][1], counts[2][1]),
        bottlenecks=counts[0][0],
        slices=tuple(slices),
        hyper=len(state["h_a.4.weight"]),
        context=len(state["mean_NAF_transforms.0.in_conv.weight"]),
        context_blocks=block_counts(state, "mean_NAF_transforms.0.blocks.")[1],
        reduction=(len(state["mean_cc_transforms.0.0.weight"]), len(state["mean_cc_transforms.0.2.weight"])),
    )


def block_counts(state: Mapping[str, Tensor], start: str) -> tuple[int, int]:
    """Return how many residual bottlenecks and NAF blocks have names with a beginning."""
    names = [name for name in state if name.startswith(start)]
    naf = sum(name.endswith(".beta") for name in names)
    return sum(name.endswith(".conv3.weight") for name in names), naf


import_checkpoint = Importer(
    "cca", Cca, infer_config, CcaConfig(), published_name, ignore=AUXILIARY, constants=of_entropy_models
)
export_checkpoint = import_checkpoint.save
"""Without the entries of the training-only model, which the authors' evaluation does not need."""
