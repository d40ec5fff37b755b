"""Networks of timm, and torch-fidelity's Inception v3: what pictures are to machines.

timm's are named as there, "resnet50.a1_in1k" or "hf-hub:owner/name", and their weights come from its hub; or from a
file, "resnet50@weights.safetensors". Nothing is ever computed with random weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from nic_core.errors import NicError

from nic_eval.metrics.metric import Features, Measure, Metric, auto_device, explained, quiet

DINOV2 = "vit_large_patch14_dinov2.lvd142m"
"""The network of Stein et al., Exposing flaws of generative model evaluation metrics (NeurIPS 2023)."""

SIDES = {DINOV2: 224}
"""Pixels that pictures are scaled to where that is not what the model was trained on."""


@dataclass(frozen=True)
class Network:
    """A model of timm. architecture: its name there. file: of its weights, None for those of the hub."""

    architecture: str
    file: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "Network":
        """Return the network that "NAME[@FILE]" means."""
        architecture, at, file = text.partition("@")
        return cls(architecture, Path(file) if at else None)

    def __str__(self) -> str:
        """Return the text that was parsed."""
        return self.architecture + (f"@{self.file}" if self.file else "")

    def create(self) -> Any:
        """Return the model with its weights, for inference.

        NicError where timm has no such model; anything where its weights cannot be had or do not fit.
        """
        import timm  # an optional dependency

        name = self.architecture
        own: dict[str, Any] = {}
        if ":" not in name and not timm.is_model(name):
            raise NicError(f"timm knows no model {name!r}")
        if name in SIDES:
            own["img_size"] = SIDES[name]
        if self.file:
            state = timm.models.load_state_dict(str(self.file), weights_only=True)
            own["num_classes"] = _classes(timm.models.get_pretrained_cfg(name), state)
            own["pretrained_cfg_overlay"] = {"state_dict": state, "num_classes": own["num_classes"]}
        return timm.create_model(name, pretrained=True, **own).eval().to(auto_device())


def classifier(network: Network) -> Measure:
    """Return whether a decoded picture is of the same class as its original: 1 or 0, of which the mean is a share.

    Pictures are prepared as timm prepares them for the model: scaled, and cropped to the middle.
    """
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config
    from torch import inference_mode

    model = network.create()
    if model.num_classes < 2:
        raise NicError(f"{network.architecture} is no classifier")
    prepare = create_transform(**resolve_model_data_config(model), is_training=False)

    def best(pixels: np.ndarray) -> int:
        with inference_mode():
            return int(model(prepare(Image.fromarray(pixels))[None].to(auto_device())).argmax())

    return lambda original, decoded: float(best(original) == best(decoded))


def features_of(network: Network) -> Callable[[], Features]:
    """Return a function that returns the model's pooled features, of whole pictures that are scaled to its input."""

    def load() -> Features:
        import torch
        from timm.data import resolve_model_data_config
        from torch.nn.functional import interpolate

        model = network.create()
        model.reset_classifier(0)
        config = resolve_model_data_config(model)
        side = SIDES.get(network.architecture)
        size = [side, side] if side else list(config["input_size"][-2:])
        mean, spread = (torch.tensor(config[key], device=auto_device()).view(-1, 1, 1) for key in ("mean", "std"))

        def features(pictures: Any) -> Any:
            scaled = interpolate(pictures.to(auto_device()).float() / 255, size, mode="bicubic", antialias=True)
            return model((scaled.clamp(0, 1) - mean) / spread).flatten(1).cpu()

        return features

    return load


@cache
def inception_pooled() -> Features:
    """Return the features that FID is defined by: the last pooling of Inception v3, D = 2048."""
    network = _inception().to(auto_device())
    return lambda pictures: network(pictures.to(auto_device()))[0].cpu()


def inception(metric: Metric) -> Any:
    """Return torch-fidelity's Inception v3, the network of FID and KID; MetricUnavailable where it cannot be had.

    It turns uint8 (N, 3, H, W) of any size into a tuple with the 2048 pooled features of each.
    """
    with explained(metric), quiet():
        return _inception()


def _inception() -> Any:
    from torch_fidelity.utils import create_feature_extractor  # an optional dependency

    return create_feature_extractor("inception-v3-compat", ["2048"], cuda=False, verbose=False)


def _classes(config: Any, state: dict[str, Any]) -> int:
    """Return how many classes weights tell apart, 0 where they are of no classifier."""
    named = config.classifier if config else None
    first = named if isinstance(named, str) or not named else named[0]
    weight = state.get(f"{first}.weight")
    return 0 if weight is None else len(weight)
