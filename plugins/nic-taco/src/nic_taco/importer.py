"""Reads and writes checkpoints of the authors' code (effl-lab/TACO)."""

import re
from collections.abc import Mapping

from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.constants import of_entropy_models
from torch import Tensor

from nic_taco.config import TacoConfig
from nic_taco.model import Taco

TRANSFORMS = {"g_a": "analysis_transform", "g_s": "synthesis_transform", "h_a": "reduction", "h_s": "increase"}
CONTEXT = {
    "earlier": ("channel_context", "fushion."),
    "around": ("local_context", ""),
    "anchors": ("entropy_parameters_anchor", "fusion."),
    "rest": ("entropy_parameters_nonanchor", "fusion."),
}


def published_name(name: str) -> str:
    """Return what the authors' code calls a parameter of ours."""
    top, _, rest = name.partition(".")
    if top in TRANSFORMS:
        rest = re.sub(r"(text|image)_projection\.", r"\1_feature_dim_proj.", rest).replace("attention.", "cross_attn.")
        return f"{top}.{TRANSFORMS[top]}.{rest}"
    if top == "contexts":
        index, part, rest = rest.split(".", 2)
        nets, inside = CONTEXT[part]
        return f"{nets}.{index}.{inside}{rest.removeprefix('conv.')}"
    return name


def infer_config(state: Mapping[str, Tensor]) -> TacoConfig:
    """Return the config that a checkpoint's shapes tell; KeyError, IndexError or ValueError where they tell none."""
    count = len([name for name in state if re.fullmatch(r"local_context\.\d+\.weight", name)])
    return TacoConfig(
        width=state["g_a.analysis_transform.0.weight"].shape[0],
        slices=tuple(state[f"local_context.{i}.weight"].shape[1] for i in range(count)),
        text_width=state["g_a.analysis_transform.8.text_feature_dim_proj.weight"].shape[1],
        context_widths=tuple(state[f"channel_context.1.fushion.{i}.weight"].shape[0] for i in (0, 2)),
    )


import_checkpoint = Importer("taco", Taco, infer_config, TacoConfig(), published_name, constants=of_entropy_models)
export_checkpoint = import_checkpoint.save
