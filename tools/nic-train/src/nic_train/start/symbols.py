"""Recipes that keep the symbols of the weights they start from: see `nic_nn.training.synthesis.SynthesisOnly`.

Such a run has those weights' sizes, and a copy of them: what it exports takes their integers.
"""

import shutil
from pathlib import Path
from typing import Any

from nic_core.errors import BadOption
from nic_core.files.atomic import atomic_path
from nic_core.weights import verification

from nic_train.request import Request
from nic_train.start.begin import Begin
from nic_train.start.sources import keeps_symbols

INITIAL = "initial.safetensors"
"""The copy in a run's folder."""


def with_sizes_of_start(request: Request, begin: Begin) -> Request:
    """Return the request with the sizes of the weights to start from, where its recipe keeps their symbols.

    run.json then holds them: resuming and exporting build the same networks. Sizes that were asked for stay.
    BadOption where no weights are given, or anything else.
    """
    recipe: Any = request.recipe()
    if begin.resume or begin.run is not None or not keeps_symbols(recipe):
        return request
    path = next(iter(begin.initial), None)
    if path is None or len(begin.initial) > 1 or not path.is_file():
        raise BadOption(f"the recipe {request.choice.name} trains the synthesis of weights: --init WEIGHTS.safetensors")
    return request.changed({**recipe.sizes_like(verification.verified(path)), **request.choice.values})


def keep_start(out: Path, begin: Begin, recipe: Any) -> None:
    """Copy the weights that a new run starts from, or those of the run that it goes on from, into its folder.

    Nothing where the recipe makes an entropy model of its own.
    """
    if not keeps_symbols(recipe):
        return
    for path in begin.initial if begin.run is None else [begin.run / INITIAL]:
        with atomic_path(out / INITIAL) as temporary:
            shutil.copyfile(path, temporary)


def integers_of(run: Path, recipe: Any) -> Path | None:
    """Return the weights whose integers a run's weights take; None where they have their own."""
    return run / INITIAL if keeps_symbols(recipe) else None
