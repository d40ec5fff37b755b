"""The reference checkpoint (see golden/README.md), and a small model that is quick to run."""

from pathlib import Path

import torch
from nic_egic.config import EgicConfig
from nic_egic.importer import published_name
from nic_egic.model import Egic
from nic_nn import testing

GOLDEN = Path(__file__).parent / "golden"
SMALL = EgicConfig(
    widths=(8, 16, 24, 40),
    depths=(1, 2, 1, 2),
    hyper_widths=(24, 16),
    hyper_depths=(2, 1),
    context_widths=(10, 10, 13, 16, 20),
    support=2,
    head_dim=8,
)


def variables(orp=False):
    """Return the variables of the checkpoint by name, with or without those of output residual prediction."""
    rows = testing.checkpoint(GOLDEN / "egic.manifest.json", fill=testing.tensorflow_entry)
    return {name: value.numpy() for name, value in rows.items() if orp or "cond_model" not in name}


def published(model):
    """Return a model's parameters as the authors' code would save them."""
    return {f"model/{published_name(name)}": as_theirs(name, p.detach()) for name, p in model.named_parameters()}


def as_theirs(name, tensor):
    """Return a parameter in TensorFlow's layout."""
    if tensor.ndim == 4:
        kernel = tensor.permute(2, 3, 1, 0)
        return (kernel.flip(0, 1) if name.startswith("charm.") else kernel).numpy()
    return (tensor.T if tensor.ndim == 2 and not name.endswith("attention.bias") else tensor).numpy()


@torch.no_grad()
def small_model(orp=False):
    """Return a random model whose symbols are not all zero and cost what they should.

    Its entropy model and encoder do not depend on `orp`.
    """
    torch.manual_seed(0)
    config = SMALL if not orp else EgicConfig(**{**vars(SMALL), "orp": True})
    model = Egic(config).eval()
    for transform in (model.g_a, model.h_a):  # fresh weights shrink everything to zero symbols
        transform[0][0].weight.mul_(10)
        transform[-2][0][-1].mlp[2].weight.mul_(20)
    for net in model.charm.scales:
        net[-1].weight.mul_(10)
        net[-1].bias += 29  # a scale of 4
    for stage in model.g_s.stages:
        stage[1].expansion.weight.mul_(2)
    if orp:
        model.g_s.copy_head()
        model.g_s.mse_head[1].expansion.bias += 0.1
    model.freeze_tables()
    return model


def nested(tensorflow, root, found):
    """Hang variables on an object by their paths, and return them."""
    made = []
    for name, value in found.items():
        *parts, leaf = name.split("/")
        node = root
        for part in parts:
            children = node._trackable_children()
            if part not in children:
                node._track_trackable(tensorflow.Module(), part)
            node = node._trackable_children()[part]
        made.append(node._track_trackable(tensorflow.Variable(value), leaf))
    return made
