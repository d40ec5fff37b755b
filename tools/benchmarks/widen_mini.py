"""Weights of mini with more latent channels and higher qualities, made of trained ones, to train further.

    python tools/benchmarks/widen_mini.py mini.safetensors wider.safetensors --latents 256 --levels 8

Channels are added at the end of the last slice, levels above the highest: the range of lambda grows by the factor that
lies between two levels; fewer levels than there are leave the highest out. The new model codes as the old one does at
its qualities: what reads a new channel starts at zero, and the new channels of y are weak, so that they cost few bits
until training finds a use for them.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import torch
from nic_core import weights
from nic_core.weights import WeightsInfo
from nic_latent.config import from_json
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.weights.export import export
from nic_nn.weights.loading import load_model
from torch import Tensor

STRENGTH = 0.3
"""Of a new channel of y, beside a fresh model's."""


def main() -> None:
    """Read, widen and write; prints the options of `nic train` that say the new shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--latents", type=int, default=256)
    parser.add_argument("--levels", type=int, default=8)
    options = parser.parse_args()
    record = weights.read_info(options.source)
    old = load_model(Mini(from_json(MiniConfig, record.config)), options.source)
    torch.manual_seed(0)
    new = widened(old, options.latents - sum(old.config.slices), options.levels - old.config.levels)
    export(new, options.target, WeightsInfo("mini", f"widened from {record.name}", {}, "", "", quality=(1.0, 100.0)))
    shape = {name: getattr(new.config, name) for name in ("slices", "levels", "lambdas")}
    print(*(f"--set {name}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for name, v in shape.items()))


def widened(old: Mini, channels: int, levels: int) -> Mini:
    """Return a model with that many more latent channels and levels, of which there may be fewer, too."""
    low, high = old.config.lambdas
    step = (high / low) ** (1 / (old.config.levels - 1))
    slices = (*old.config.slices[:-1], old.config.slices[-1] + channels)
    config = dataclasses.replace(
        old.config, slices=slices, levels=old.config.levels + levels, lambdas=(low, high * step**levels)
    )
    new = Mini(config)
    state = new.state_dict()
    for name, value in old.state_dict().items():
        if state[name].shape == value.shape:
            state[name] = value
        else:
            state[name] = _grown(name, value, state[name], 0.5 * math.log(step))
    new.load_state_dict(state)
    return new


def _grown(name: str, old: Tensor, new: Tensor, step: float) -> Tensor:
    """Return a parameter in its new shape. step: between two levels of a gain, in the log domain."""
    new = new.clone()
    if name.startswith("gains."):
        channels = old.shape[1]
        kept = old[: len(new)]
        new[: len(kept), :channels] = kept
        new[: len(kept), channels:] = kept.mean(1, keepdim=True)
        for level in range(len(old), len(new)):
            new[level] = new[level - 1] + (step if name.endswith("log_gain") else -step)
    elif name.startswith("g_a."):  # y itself: one channel after the other
        new *= STRENGTH
        new[: len(old)] = old
    elif len(old) != len(new):  # scales of a slice, then its means
        scales, means = new.tensor_split(2)
        for part, known in zip((scales, means), old.tensor_split(2), strict=True):
            part[: len(known)] = known
    else:  # what reads y
        new.zero_()
        new[:, : old.shape[1]] = old
    return new


if __name__ == "__main__":
    main()
