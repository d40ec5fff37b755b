"""Reads OASIS-C from variables of the authors' TensorFlow code (Nikolai10/EGIC), as `read_variables` returns them."""

import re
from collections.abc import Mapping

import numpy as np
import torch
from nic_nn.weights.checkpoints import fill
from torch import Tensor

from nic_egic.discriminator import OasisC

OASIS = re.compile(r"(model/)?(disc/)?(?=layer_with_weights-)(?!.*/(_naked_clone_layer/.*|initialized)$)")
"""What precedes its weights, alone or within the whole model; weight normalisation keeps more that are none."""
NORMALISED = {"parametrizations.weight.original0": "g", "parametrizations.weight.original1": "v", "bias": "layer/bias"}


def published_name(name: str) -> str:
    """Return what the authors' code calls a parameter of ours.

    Its layers are the blocks down, 0 to 5, those up but for the last, 6 to 10, the latent's convolution, the last block
    up, and the head.
    """
    part, _, rest = name.partition(".")
    if part == "head":
        return f"{layer(13)}/{'kernel' if rest == 'weight' else 'bias'}"
    if part == "condition":
        return f"{layer(11)}/{NORMALISED[rest]}"
    number, conv, rest = rest.split(".", 2)
    position = int(number) + (6 if part == "up" else 0)
    return f"{layer(12 if position == 11 else position, conv)}/{NORMALISED[rest]}"


def layer(number: int, conv: str = "") -> str:
    """Return what precedes the names of a layer's weights, or of one of a block's convolutions."""
    return "/".join(part for part in (f"layer_with_weights-{number}", conv, "layer_with_weights-0") if part)


def load_oasis(variables: Mapping[str, np.ndarray], source: str = "the checkpoint") -> OasisC:
    """Return the network that holds a checkpoint's variables, as wide as these are.

    variables: by object-graph name, of OASIS-C alone or beside the codec's. source: what an error calls them.
    BadWeights where they are not OASIS-C's: with the first few that are missing, extra or of another shape.
    """
    state = {}
    for name, value in variables.items():
        if prefix := OASIS.match(name):
            inside = name[prefix.end() :]
            state[inside] = as_ours(inside, value)
    try:
        model = OasisC(**infer_sizes(state))
    except (KeyError, ValueError):
        model = OasisC(classes=134)  # to say how it differs
    fill(model, state, published_name, f"{source} is no OASIS-C")
    return model


def infer_sizes(state: Mapping[str, Tensor]) -> dict:
    """Return the arguments of OasisC that the shapes tell; KeyError or ValueError where they tell none."""
    condition, latent = state[f"{layer(11)}/v"].shape[:2]
    return {
        "classes": len(state[f"{layer(13)}/bias"]) - 1,
        "latent": latent,
        "widths": tuple(len(state[f"{layer(number, 'conv1')}/g"]) for number in range(6)),
        "condition": condition,
    }


def as_ours(name: str, value: np.ndarray) -> Tensor:
    """Return a variable in PyTorch's layout: kernels (out, in, height, width), gains (out, 1, 1, 1)."""
    tensor = torch.from_numpy(np.array(value))
    if name.endswith("/g"):
        return tensor.reshape(-1, 1, 1, 1)
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor
