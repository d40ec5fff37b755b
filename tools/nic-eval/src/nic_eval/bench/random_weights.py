"""Weights that are random: what they code looks like nothing, but takes the time that trained ones take.

Symbols, and with them the time of the entropy coder itself, are not those of a trained model.
"""

import dataclasses
from pathlib import Path
from typing import Any

from nic_core import plugins
from nic_core.errors import BadOption, NicError
from nic_core.plugins.published import DISTRIBUTIONS
from nic_core.spec import resolve
from nic_core.weights import WeightsInfo


def recipe_of(codec: str, size: str | None = None) -> Any:
    """Return the recipe that a codec is trained by; size: of models that have several.

    BadOption where it has none, or but one size.
    """
    recipes = [spec for _, spec in plugins.records("nic_recipes") if spec.codec == codec]
    if not recipes:
        raise BadOption(f"{codec} has no training recipe, from which random weights could be made")
    with plugins.blamed(recipes[0], "its start"):
        recipe = resolve(recipes[0].target)(codec=codec, **recipes[0].values)
    if size is None:
        return recipe
    if not hasattr(recipe, "size"):
        raise BadOption(f"{codec} has one size only")
    return dataclasses.replace(recipe, size=size)


def random_model(codec: str, size: str | None = None) -> Any:
    """Return a codec's `nic_nn.model.LatentModel` with random weights, whose latents are not all zero.

    size: as of `recipe_of`, with the same errors. NicError without torch.
    """
    try:
        import torch
        from nic_nn.weights.random_weights import filled
    except ImportError as error:
        brings = DISTRIBUTIONS.get(codec, "nic-nn")
        raise NicError(f"random weights are made by torch: pip install {brings}") from error
    torch.manual_seed(0)
    return filled(recipe_of(codec, size).build().model.eval())


def write_random(codec: str, path: Path) -> None:
    """Write a weights file of a codec; takes some seconds, for the integers that it holds. Errors as of above."""
    model = random_model(codec)
    from nic_nn.weights.export import export

    quality = recipe_of(codec).quality_range
    export(model, path, WeightsInfo(codec, "random", {}, "", "", quality=quality))
