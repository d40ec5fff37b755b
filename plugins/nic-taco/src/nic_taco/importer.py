"""Reads checkpoints of the authors' code (effl-lab/TACO)."""

import re
from collections.abc import Mapping
from pathlib import Path

from nic_core.weights import WeightsInfo
from nic_nn.checkpoints import export_imported, fill, read_state
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


def import_checkpoint(codec: str, source: Path, output: Path) -> WeightsInfo:
    """Write a checkpoint as a weights file with frozen tables; BadWeights as `load_checkpoint` says."""
    source = Path(source)
    return export_imported(load_checkpoint(source), codec, source, Path(output), __name__)


def load_checkpoint(path: Path) -> Taco:
    """Return the model of a checkpoint, its sizes inferred from the shapes.

    Raises BadWeights where the file is no checkpoint, or not one of TACO: then with the first few entries that are
    missing, extra or of another shape.
    """
    state = read_state(path)
    try:
        model = Taco(infer_config(state))
    except (KeyError, IndexError, ValueError):  # no size fits, so it is another codec's: the comparison says how
        model = Taco(TacoConfig())
    fill(model, state, published_name, f"{path.name} is no checkpoint of taco")
    return model


def published_name(name: str) -> str:
    """Return what the authors' code calls a parameter of ours."""
    top, _, rest = name.partition(".")
    if top in TRANSFORMS:
        rest = re.sub(r"(text|image)_projection\.", r"\1_feature_dim_proj.", rest).replace("attention.", "cross_attn.")
        return f"{top}.{TRANSFORMS[top]}.{rest}"
    if top == "contexts":
        index, part, rest = rest.split(".", 2)
        nets, inside = CONTEXT[part]
        return f"{nets}.{index}.{inside}{rest}"
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
