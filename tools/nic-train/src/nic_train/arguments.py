"""How `nic train` shows and reads its options: the sections of its help, and what their texts stand for."""

from typing import Any

import click
from nic_core.errors import BadOption

SECTIONS = {
    "Start here": ("data", "val", "out", "lmbda", "steps", "epochs", "resume", "list_recipes"),
    "What is trained": (
        *("recipe", "values", "stages", "milestones", "crop", "files", "captions", "labels", "no_lpips", "seed"),
    ),
    "From where": ("initial", "source", "step"),
    "Machine": (
        *("precision", "tf32", "compile", "accumulate", "device", "devices", "nodes", "workers", "cache", "minutes"),
    ),
    "Checkpoints and logs": ("val_steps", "best", "checkpoint_steps", "keep_steps", "log_every", "wandb"),
    "Exported weights": ("exported", "part", "name", "quality", "licence", "rank", "half", "calibrate", "integers_of"),
}


class StepName(click.ParamType):
    """Which of a run's checkpoints: the number of a step, or "best"."""

    name = "step"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the step or "best"."""
        if value == "best":
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a step nor 'best'", param, ctx)
        return int(value)


class Sections(click.Command):
    """A command whose help shows the options that everyone needs first, and the others by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        named = {name for names in SECTIONS.values() for name in names}
        rest = tuple(name for name in records if name not in named)
        for title, names in (*SECTIONS.items(), ("Other", rest)):
            if rows := [record for name in names if (record := records[name])]:
                with formatter.section(title):
                    formatter.write_dl(rows)


def parse_values(values: tuple[str, ...]) -> dict[str, str]:
    """Return KEY=VALUE texts as a dictionary; BadOption where one has another form."""
    parsed = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadOption(f"--set takes KEY=VALUE, not {text!r}")
        parsed[key] = value
    return parsed


def parse_crop(text: str) -> dict[str, str]:
    """Return the recipe's values for a crop, SIDE or HEIGHTxWIDTH; BadOption where it is neither."""
    height, times, width = text.partition("x")
    if not height.isdecimal() or not (width.isdecimal() if times else True):
        raise BadOption(f"--crop takes a side or HEIGHTxWIDTH, such as 256 or 256x384, not {text!r}")
    return {"crop": height, "crop_width": width or "0"}
