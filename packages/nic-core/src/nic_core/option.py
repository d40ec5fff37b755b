"""Typed settings of codecs, from which flags, help and validation are made."""

import math
import os
import re
from dataclasses import dataclass
from typing import Any, Literal

from nic_core.errors import BadOption


@dataclass(frozen=True)
class Option:
    """One typed setting of a codec, from which flags, help and validation are made.

    name: lower case, hyphenated; as a keyword argument the hyphens become underscores.
    type: str, int, float or bool.
    when: whether `encode` or `decode` takes it.
    minimum, maximum: inclusive bounds of a number; choices: the allowed strings, empty for any.
    table: name of a companion setting of an encode option, the path of a JSON file with this option's value for each
    picture (see `nic_core.host.tables`); empty for none.
    several: whether a codec also takes a tuple of values, which is what a table has of a picture, in its order; others
    get the first of them.
    torch: whether values other than the default need torch, so that onnxruntime does not run such an encode or decode.
    """

    name: str
    type: type
    default: Any
    help: str
    when: Literal["encode", "decode"] = "encode"
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    table: str = ""
    several: bool = False
    torch: bool = False

    @property
    def key(self) -> str:
        """The name as a Python identifier."""
        return self.name.replace("-", "_")

    @property
    def table_key(self) -> str:
        """The table's name as a Python identifier."""
        return self.table.replace("-", "_")

    @property
    def range(self) -> str:
        """The allowed values in words, empty where all of the type are."""
        if self.choices:
            return " | ".join(self.choices)
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return f"{_plain(low)} to {_plain(high)}"
        if low is not None:
            return f"at least {_plain(low)}"
        return f"at most {_plain(high)}" if high is not None else ""

    def parse(self, value: Any) -> Any:
        """Return `value`, text or not, as the option's type; BadOption with name, expectation and what was given.

        Of a tuple or list a tuple, where there may be several.
        """
        if self.several and isinstance(value, tuple | list) and value:
            return tuple(self.parse(one) for one in value)
        expected = f"{self.name} must be {self.range or f'of type {self.type.__name__}'}, not {value!r}"
        if self.type is bool:
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            parsed = words.get(str(value).lower())
            if parsed is None:
                raise BadOption(expected)
            return parsed
        if self.type is str and isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, bool) or (self.type is str and not isinstance(value, str)):
            raise BadOption(expected)
        try:
            parsed = self.type(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadOption(expected) from error
        if self.type is int and isinstance(value, float) and value != parsed:
            raise BadOption(expected)
        if self.choices and parsed not in self.choices:
            raise BadOption(expected)
        if self.type is not str:
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= parsed <= high:  # also refuses NaN
                raise BadOption(expected)
        return parsed


QUALITY = Option("quality", float, None, "Quality from 1 to 100; higher is better and larger.", "encode", 1, 100)
"""The one option that every codec has."""

EFFORT = Option(
    "effort",
    int,
    0,
    "How long to search for a file that costs less, from not at all to minutes; it decodes like others.",
    "encode",
    0,
    9,
    torch=True,
)
"""The option of codecs whose encoder can search, see docs/effort.md; 0 is no search."""

DECODER = Option(
    "decoder",
    str,
    "",
    "Which synthesis makes the picture, by its name in 'nic weights': of what a file holds, any makes one.",
    "decode",
)
"""An option of codecs that may have several syntheses for one entropy model: core chooses the weights by it."""

TAKEN = frozenset(
    {
        "picture",
        "data",
        "quality",
        "target",
        "target_bpp",
        "target_size",
        "target_psnr",
        "on_trial",
        "strip",
        "max_pixels",
        "region",
        "scale",
        "salvage",
        "on_damage",
        "tile",
        "max_seconds",
        "device",
        "runtime",
        "inputs",
        "output",
        "weights",
        "codec",
        "dump",
        "format",
        "suffix",
        "subsampling",
        "overwrite",
        "skip_existing",
        "jobs",
        "workers",
        "engine",
        "address",
        "threads",
        "shards",
        "help",
        "debug",
        "verbose",
        "quiet",
    }
)
"""Keys that no codec's option can have, since `encode` and `decode` have arguments or flags of these names."""


def is_free(name: str) -> bool:
    """Tell whether a codec's option, or its table, may have a name."""
    return re.fullmatch(r"[a-z][a-z0-9-]*", name) is not None and name.replace("-", "_") not in TAKEN


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
