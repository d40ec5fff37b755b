"""The models that benchmarks of integers run: with the weights that a codec brings, otherwise with random ones."""

from pathlib import Path

import nic_core
import torch
from nic_core import weights
from nic_core.host.codec import Codec
from nic_eval.bench.random_weights import random_model, write_random
from nic_nn.model import LatentModel

TBTC = ("tbtc-conv-hyperprior", "tbtc-conv-charm", "tbtc-swint-hyperprior", "tbtc-swint-charm")


def brings_weights(codec: str) -> bool:
    """Return whether weights of a codec are installed."""
    return any(spec.codec == codec for spec in weights.available())


def model_of(codec: str, size: str | None = None) -> LatentModel:
    """Return a codec's model with integer nets, on the CPU; size: of models that have several."""
    if brings_weights(codec):
        model = nic_core.load(codec, device="cpu").model
    else:
        model = random_model(codec, size)
        model.make_integers()
    return model.eval().to(memory_format=torch.channels_last)


def codec_of(text: str, folder: Path) -> Codec:
    """Return the codec of CODEC[@WEIGHTS]; random weights, where it has none, are written into a folder."""
    identity, _, path = text.partition("@")
    if not path and not brings_weights(identity):
        path = str(folder / f"{identity}.safetensors")
        write_random(identity, Path(path))
    return nic_core.load(identity, weights=path or None, device="cpu")
