"""The flags of `nic encode` and `nic decode`, those of the installed codecs among them, and how --help shows them."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import click

from nic_core.api import parse_codec
from nic_core.cli.jobs import Existing, PlaceType
from nic_core.cli.system.completion import WeightsName
from nic_core.errors import BadOption
from nic_core.format.tiling import Region
from nic_core.host.runtimes import RUNTIMES
from nic_core.host.target import UNITS, Target
from nic_core.plugins import codec_spec, list_codecs
from nic_core.spec import CodecSpec, Option

When = Literal["encode", "decode"]

EXPLAINED = "nic.explained"
"""Where a click context keeps the codec that --help shall explain."""


class CodingCommand(click.Command):
    """A verb that takes the options of every installed codec, which check the values themselves.

    --help shows the flags that everyone needs first; those of a codec when its name is given with --codec.
    when: whose options. first: names of the parameters that everyone needs.
    """

    def __init__(self, *args: Any, when: When, first: Sequence[str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.when, self.first = when, first

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the verb's own parameters and the codecs'."""
        return [*super().get_params(ctx), *codec_params(tuple(list_codecs()), self.when)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but remember first which codec --help shall explain, wherever it is named."""
        for word, following in pairwise([*args, ""]):
            if word == "--codec" or word.startswith("--codec="):
                ctx.meta[EXPLAINED] = parse_codec(word.partition("=")[2] or following)[0]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of --help."""
        own = [param for param in super().get_params(ctx) if isinstance(param, click.Option)]
        first = [param for param in own if param.name in self.first]
        for title, params in (("Options", first), ("More options", [param for param in own if param not in first])):
            with formatter.section(title):
                formatter.write_dl([record for param in params if (record := param.get_help_record(ctx))])
        if codec := ctx.meta.get(EXPLAINED):
            spec = codec_spec(codec)
            with formatter.section(f"Options of {spec.id}"):
                formatter.write_dl(explanations(spec, self.when) or [("", "it has none")])
        elif specs := [spec for spec in list_codecs() if spec.settings(self.when)]:
            with formatter.section(f"Options of codecs, explained by: nic {self.when} --help --codec ID"):
                formatter.write_dl([(spec.id, _listed(spec.settings(self.when))) for spec in specs])


@cache
def codec_params(specs: tuple[CodecSpec, ...], when: When) -> tuple[click.Option, ...]:
    """Return a flag for every option of codecs, and for its table; of several options of one name, for the first."""
    params: dict[str, click.Option] = {}
    for spec in specs:
        for option in spec.options:
            if option.when == when:
                params.setdefault(option.name, click.Option([_form(option), option.key], default=None))
                if option.table:
                    params.setdefault(option.table, click.Option([f"--{option.table}", option.table_key]))
    return tuple(params[name] for name in sorted(params))


def explanations(spec: CodecSpec, when: When) -> list[tuple[str, str]]:
    """Return flags of a codec and what they do."""
    rows = []
    for option in spec.options:
        if option.when != when:
            continue
        kind = "" if option.type is bool else f" {option.type.__name__.upper()}"
        rows.append((_form(option) + kind, _explained(option)))
        if option.table:
            coco = " COCO's captions JSON works too." if option.type is str else ""
            form = f"Instead, for each picture its own: a JSON file {{picture's file name: {option.name}}}.{coco}"
            rows.append((f"--{option.table} FILE.json", form))
    return rows


def with_options(options: Sequence[Option]) -> Callable[[Any], Any]:
    """Return what adds flags of options to a verb, which gets their values by key, checked; the defaults of others."""

    def flag(option: Option) -> Callable[[Any], Any]:
        return click.option(
            _form(option),
            option.key,
            default=None,
            metavar=None if option.type is bool else option.type.__name__.upper(),
            help=_explained(option),
            callback=lambda ctx, param, value: option.default if value is None else option.parse(value),
        )

    return together(*map(flag, options))


def _explained(option: Option) -> str:
    """Return what an option does, with its range and default."""
    notes = [option.range, "" if option.default in (None, "") else f"default {option.default}"]
    bounds = "; ".join(filter(None, notes))
    return f"{option.help} [{bounds}]" if bounds else option.help


def _form(option: Option) -> str:
    return f"--{option.name}/--no-{option.name}" if option.type is bool else f"--{option.name}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"--{name}" for name in names)


class TargetType(click.ParamType):
    """A positive number of a target's unit, which becomes a `Target`; sizes may have a suffix."""

    def __init__(self, kind: Literal["bpp", "size", "psnr"]) -> None:
        self.kind = kind
        self.name = UNITS[kind]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Return the target, or fail with what is wrong about the value."""
        try:
            return value if isinstance(value, Target) else Target.parse(self.kind, value)
        except BadOption as error:
            self.fail(str(error), param, ctx)


class RegionType(click.ParamType):
    """Four whole numbers: X,Y,WIDTH,HEIGHT."""

    name = "x,y,width,height"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Region:
        """Return the numbers, or fail with what is wrong about the value."""
        if isinstance(value, tuple):
            return value  # type: ignore[return-value]
        found = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", value)
        if found is None:
            self.fail(f"a region is four whole numbers of pixels, such as 0,0,640,480, not {value!r}", param, ctx)
        x, y, width, height = map(int, found.groups())
        return x, y, width, height


def together(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator that adds parameters in the order given."""

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


with_files = together(
    click.argument("inputs", nargs=-1, required=True, type=PlaceType()),
    click.option(
        "-o",
        "--output",
        type=click.Path(),
        metavar="PATH",
        help="A file for one input, a folder for several, - for standard output. Default: beside each input. Paths may "
        "be URLs, such as s3://bucket/folder/.",
    ),
)
with_existing = together(
    click.option("--overwrite", is_flag=True, help="Replace what is there."),
    click.option("--skip-existing", is_flag=True, help="Pass over what is there, to go on after an interruption."),
)
with_making = together(
    click.option(
        "--calibrate",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder of pictures like those to code, such as of the training: integers' ranges are chosen by them, and "
        "tables made by what occurs in them, which makes files about 1 % smaller [default: ranges by scikit-image's].",
    ),
    click.option(
        "--integers-of",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="WEIGHTS",
        help="A weights file with the same entropy model, whose integers to take: either decodes the other's files.",
    ),
)
with_engine = together(
    click.option(
        "--weights", type=WeightsName(), metavar="WEIGHTS", help="A weights file, URL, or a name from 'nic weights'."
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
    click.option(
        "--runtime",
        type=click.Choice(RUNTIMES),
        default="auto",
        show_default=True,
        help="What runs the transforms; onnx starts faster, torch knows more devices, torch-bf16 computes in bfloat16, "
        "in about two thirds of the time on processors that have it.",
    ),
)
with_shards = click.option(
    "--shards",
    type=click.Choice(["tar", "folder"]),
    help="Read the .tar files in folders, too, and make of each one a .tar file or a folder. [default: only those that "
    "are named, into .tar files]",
)
with_parallel = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Files worked on at once; each needs its memory.",
)


def existing(overwrite: bool, skip_existing: bool) -> Existing:
    """Return what two flags say about files that are there already; UsageError for both."""
    if overwrite and skip_existing:
        raise click.UsageError("--overwrite and --skip-existing exclude one another")
    return "replace" if overwrite else "skip" if skip_existing else "refuse"
