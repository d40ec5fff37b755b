"""Weights of mini with more latent channels, higher qualities or another path for what they leave, to train further.

    python tools/benchmarks/widen_mini.py mini.safetensors wider.safetensors --latents 256 --levels 8
    python tools/benchmarks/widen_mini.py mini.safetensors wider.safetensors --levels 8 --rest 96 --data train/

Channels are added at the end of the last slice, levels above the highest: the range of lambda grows by the factor that
lies between two levels; fewer levels than there are leave the highest out. The new model codes as the old one does at
its qualities: what reads a new channel starts at zero, and the new channels of y are weak, so that they cost few bits
until training finds a use for them.

--rest gives the last channels of y to what the transforms leave of a picture (`MiniConfig.rest`): its principal
components over the pictures of --data, with the gains that are best for them at high rates. Channels that it takes
should cost hardly any bits so far, and where there are some for the rest already, it takes those that --latents adds.
What predicts the new ones knows nothing of them: train that first.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from nic_core import weights
from nic_core.errors import NicError
from nic_core.weights import WeightsInfo
from nic_latent.config import from_json
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.weights.export import export
from nic_nn.weights.loading import load_model
from nic_train.data import loader
from torch import Tensor

STRENGTH = 0.3
"""Of a new channel of y, beside a fresh model's."""
PICTURES = 320
"""From which principal components are taken, a crop of SIDE x SIDE of each."""
SIDE = 256
QUALITY = 85.0
"""At which the components are taken."""


def main() -> None:
    """Read, widen and write; prints the options of `nic train` that say the new shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--latents", type=int, default=256)
    parser.add_argument("--levels", type=int, default=8)
    parser.add_argument("--rest", type=int, help="channels of y that also hold what the transforms leave; as before")
    parser.add_argument("--data", help="pictures, which --rest needs")
    options = parser.parse_args()
    if options.rest and not options.data:
        parser.error("--rest needs --data")
    record = weights.read_info(options.source)
    old = load_model(Mini(from_json(MiniConfig, record.config)), options.source)
    torch.manual_seed(0)
    added, fresh = options.latents - sum(old.config.slices), (options.rest or old.config.rest) - old.config.rest
    if old.config.rest and added != fresh:
        parser.error(f"{old.config.rest} channels are the rest's: --latents and --rest must grow by the same number")
    new = widened(old, added, options.levels - old.config.levels)
    if fresh:
        new = opened(new, fresh, left_of(crops(options.data), old))
    export(new, options.target, WeightsInfo("mini", f"widened from {record.name}", {}, "", "", quality=(1.0, 100.0)))
    shape = {name: getattr(new.config, name) for name in ("slices", "levels", "lambdas", "rest")}
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
    return new.eval()


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


def crops(folder: str) -> Tensor:
    """Return parts (N, 3, SIDE, SIDE) of the first pictures of a folder that are large enough."""
    source, made = loader.open_source(folder, SIDE), []
    for index in range(min(len(source), PICTURES)):
        _, item = source.first_sound([index])
        pixels = torch.from_numpy(item.pixels).permute(2, 0, 1).float() / 255
        top, left = ((side - SIDE) // 2 for side in pixels.shape[1:])
        made.append(pixels[:, top : top + SIDE, left : left + SIDE])
    return torch.stack(made)


@torch.no_grad()
def left_of(pictures: Tensor, model: Mini) -> Tensor:
    """Return what a model's transforms leave of pictures."""
    return torch.cat([x - model.synthesise(model.analyse(x, QUALITY), QUALITY) for x in pictures.split(8)])


@torch.no_grad()
def opened(old: Mini, fresh: int, left: Tensor) -> Mini:
    """Return a model whose last `fresh` channels of y are for the rest, and nothing else, after those that are already.

    left: the rest, as `left_of` returns it.
    """
    blocks = F.unfold(left, 16, stride=16).movedim(1, 2).flatten(0, 1).double()
    _, vectors = torch.linalg.eigh(blocks.T @ blocks)  # the largest come last
    components = vectors.flip(1)[:, :fresh].float()
    new = Mini(dataclasses.replace(old.config, rest=old.config.rest + fresh))
    known, state = {name: value.clone() for name, value in old.state_dict().items()}, new.state_dict()
    last = f"g_a.{len(old.g_a) - 1}"
    for name in (f"{last}.weight", f"{last}.bias"):
        known[name][-fresh:] = 0
    known["g_s.0.weight"][:, -fresh:] = 0
    if not old.config.rest:
        known |= {name.replace("g_s.", "preview."): value for name, value in known.items() if name.startswith("g_s.")}
    for name in ("rest_a.weight", "rest_a.bias", "rest_s.0.weight", "rest_s.0.bias"):
        state[name].zero_()
        if name in known:
            value = known.pop(name)
            state[name][tuple(map(slice, value.shape))] = value
    state["rest_a.weight"][-fresh:] = components.T.reshape(fresh, 3, 16, 16)
    state["rest_s.0.weight"][:, -fresh:] = components[..., None, None]
    state |= known
    lambdas = old.lambda_of(torch.linspace(1, 100, old.config.levels))
    # Where the derivative of bits a pixel, -log2(step) / 256, is that of lambda 255^2 step^2 / 12 / 768.
    gain = 0.5 * (lambdas * 255**2 * math.log(2) / 18).log()
    state["gains.log_gain"][:, -fresh:] = gain[:, None]
    state["gains.log_inverse"][:, -fresh:] = -gain[:, None]
    new.load_state_dict(state)
    return new.eval()


if __name__ == "__main__":
    try:
        main()
    except NicError as error:
        raise SystemExit(str(error)) from None
