"""Values that a request leaves open until it is known what the pictures are; run.json then holds them."""

from typing import Any

from nic_core.errors import BadOption, NicError

from nic_train.data.loader import Source
from nic_train.request import Request


def with_classes(request: Request, found: int) -> Request:
    """Return the request with the classes of the label maps, where its recipe has classes and leaves them open.

    found: how many there are, void included. run.json then holds them: resuming and exporting build the same networks.
    NicError where they are needed and not known.
    """
    if "labels" not in request.needs() or getattr(request.recipe(), "classes", None) != 0:
        return request
    if not found:
        raise NicError(
            "shards do not say how many classes their label maps have: say it, with void, by --set classes=N"
        )
    return request.changed({"classes": found})


def with_steps(request: Request, source: Source) -> Request:
    """Return the request with the steps that its passes over the pictures take, where it says passes and no steps.

    run.json then holds them. NicError where it is not known how many pictures there are.
    """
    values = request.choice.values
    if "epochs" not in values or "steps" in values:
        return request
    if request.choice.stages is not None:
        raise BadOption("the recipe's stages say their steps; --epochs cannot")
    if not (pictures := source.record().pictures):
        raise NicError("shards do not say how many pictures they hold: give --steps in place of --epochs")
    recipe: Any = request.recipe()
    return request.changed({"steps": max(-(-recipe.epochs * pictures // recipe.batch), 1)})
