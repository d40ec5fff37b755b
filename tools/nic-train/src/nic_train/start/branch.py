"""`--from`: a new run that takes another's first steps for its own."""

from dataclasses import asdict
from pathlib import Path

from nic_train.request import Request, read_record
from nic_train.restoring import stage_before

AHEAD = ("steps", "epochs", "val_crop", "val_whole", "patience")
"""Values that the steps already done do not show."""


def difference(run: Path, request: Request, step: int) -> str:
    """Say in a line what the steps already done were trained with, where the new run would have chosen otherwise."""
    then, now = (
        asdict(stage_before(asked.recipe(), asked.stages(), step)) for asked in (read_record(run).request, request)
    )
    names = [name for name in now if name not in AHEAD and name in then and then[name] != now[name]]
    differing = ", ".join(f"{name} {then[name]}, not {now[name]}" for name in names)
    return f"the {step} steps of {run.name} were trained with {differing}" if differing else ""
