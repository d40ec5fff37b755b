"""The records that plugins yield: frozen, cheap to make, and enough to list, check and document everything.

Nothing here imports what a record points to. A `target` is "module:attribute", imported on first use.
"""

import importlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from nic_core.errors import BadOption
from nic_core.option import DECODER, EFFORT, QUALITY, Option, is_free

__all__ = [
    "API_VERSION",
    "DECODER",
    "EFFORT",
    "HIGHEST_RANK",
    "QUALITY",
    "CheckpointSpec",
    "CodecSpec",
    "CommandSpec",
    "EngineSpec",
    "ImporterSpec",
    "Option",
    "RecipeSpec",
    "WeightsSpec",
    "resolve",
]

API_VERSION = (1, 2)
"""Major and minor version of the hooks and records: a minor adds, a major may change what is there.

A plugin states the one it was written for, as `api_version = "1.2"` in its module; see docs/plugins.md.
"""


def resolve(target: str) -> Any:
    """Import and return what "module:attribute" names; ValueError for text of another form."""
    module, colon, attribute = target.partition(":")
    if not colon:
        raise ValueError(f"{target!r} is not of the form module:attribute")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class CodecSpec:
    """A codec that a plugin brings.

    id: what files and the command line call it: lower-case letters, digits, hyphens, at most 63.
    target: "module:Class" of a `nic_core.codec.Codec`.
    graphs: "module:Class" of one that runs the graphs in weights files by onnxruntime; empty where there is none.
    summary: one line; paper: citation or URL.
    options: settings beyond the quality.
    gray: whether it codes gray pictures only; colour is then converted to gray, as Pillow does, before it is coded.
    fingerprints: "module:function" for a codec whose weights files are not fingerprinted by their tensors and config as
    `nic_core.weights.fingerprint` does; called with the file's record, returns (entropy_id, synthesis_id).
    upright: whether it codes what a picture shows, so that it must see it upright: an EXIF orientation is then applied
    to the pixels, which otherwise are coded as they lie in the file.
    weights: False for a codec that needs no weights file, and so has no graphs and no fingerprints.
    quality: of a codec without weights, the (lowest, highest) that it takes, None where it takes none; weights say
    themselves what theirs is.

    ValueError for an id or a name of an option or its table of another form, or a name that is taken; and for what a
    codec without weights, or one with them, cannot have.
    """

    id: str
    target: str
    summary: str
    paper: str = ""
    options: tuple[Option, ...] = ()
    gray: bool = False
    upright: bool = False
    fingerprints: str = ""
    graphs: str = ""
    weights: bool = True
    quality: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the names, and what depends on weights."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", self.id):
            raise ValueError(f"a codec's id is lower-case letters, digits and hyphens, at most 63, not {self.id!r}")
        names = [name for option in self.options for name in (option.name, option.table)]
        for when in ("encode", "decode"):
            own = [option.name for option in self.options if option.when == when]
            if len(set(own)) < len(own):
                raise ValueError(f"{self.id}: two {when} options have one name")
        for option in self.options:
            if not is_free(option.name):
                raise ValueError(f"{self.id}: an option cannot be named {option.name!r}")
            if option.table and (not is_free(option.table) or names.count(option.table) > 1):
                raise ValueError(f"{self.id}: a table cannot be named {option.table!r}")
            if option.table and option.when != "encode":
                raise ValueError(f"{self.id}: {option.name} cannot have a table, it is no encode option")
        if self.weights and self.quality is not None:
            raise ValueError(f"{self.id}: the quality of a codec with weights is stated by these")
        if not self.weights and (self.graphs or self.fingerprints):
            raise ValueError(f"{self.id}: a codec without weights has no graphs and no fingerprints")
        if self.quality is not None and not 1 <= self.quality[0] < self.quality[1] <= 100:
            raise ValueError(f"{self.id}: a quality ranges from 1 to 100, rising, not {self.quality}")

    def settings(self, when: Literal["encode", "decode"]) -> list[str]:
        """Return the names of all that can be set in one direction: options, each before its table."""
        found = [(option.name, option.table) for option in self.options if option.when == when]
        return [name for names in found for name in names if name]

    def options_for(self, when: Literal["encode", "decode"], given: dict[str, Any]) -> dict[str, Any]:
        """Return all options of one direction: `given` ones, checked, and the defaults of others and of those None.

        BadOption for an option that does not exist and a value that does not fit.
        """
        known = {option.key: option for option in self.options if option.when == when}
        if unknown := [key for key in given if key.replace("-", "_") not in known]:
            tabled = {option.table: option for option in known.values() if option.table}
            if option := tabled.get(unknown[0].replace("_", "-")):
                raise BadOption(f"give {option.name}: {option.table} is a table, which nic_core.EncodeOptions reads")
            has = f"it has {', '.join(sorted(self.settings(when)))}" if known else "it has none"
            raise BadOption(f"{self.id} has no {when} option {unknown[0]!r}; {has}")
        values = {key.replace("-", "_"): value for key, value in given.items() if value is not None}
        return {key: option.parse(values[key]) if key in values else option.default for key, option in known.items()}


HIGHEST_RANK = 1000


@dataclass(frozen=True)
class WeightsSpec:
    """A set of trained weights that can be had.

    codec: the codec's id; name: unique among the codec's weights.
    location: a file's path, an https URL, or "hf://owner/repository/file"; empty in the record that stands for what a
    codec without weights needs, which is nothing.
    quality: the quality of single-rate weights, or the (lowest, highest) of those that cover a range; None if unknown.
    entropy_id, synthesis_id: the fingerprints (hexadecimal), empty where unknown before a download.
    rank: the default codec is the one whose weights have the highest; 0 never becomes the default.
    sha256: what a download must hash to.
    decoder: what the synthesis is called, "fast" or "best", by which `nic decode --decoder` finds it among the weights
    with a file's entropy_id; empty where nothing says.
    """

    codec: str
    name: str
    location: str
    quality: float | tuple[float, float] | None = None
    entropy_id: str = ""
    synthesis_id: str = ""
    rank: int = 0
    licence: str = ""
    summary: str = ""
    sha256: str = ""
    decoder: str = ""


@dataclass(frozen=True)
class ImporterSpec:
    """A reader of other people's checkpoints.

    codec: whose weights it makes. target: "module:function", called with (codec id, source path, output path).
    nic fills into the record what the user, the file's name or a `CheckpointSpec` tells of name, lambda, quality and
    licence; a lambda that only the checkpoint tells is given as the provenance's "lambda".

    Where the user says what the integers of the entropy model are made from, the target gets one of two keywords more:
    calibrate, a folder of pictures that their ranges are chosen by, or integers_of, a weights file with the same
    entropy model, whose integers to take. A target that has none need not take them.

    tradeoff: "module:function" from the lambda by which the authors tell their checkpoints apart to the weight of
    255^2 MSE against a bit per pixel, by which qualities are comparable; empty where they are the same.
    exporter: "module:function" that writes a weights file as the authors' code reads it, called with (codec id, weights
    file, output path), NicError for weights that it cannot write; empty where there is none.
    """

    codec: str
    target: str
    summary: str
    tradeoff: str = ""
    exporter: str = ""


@dataclass(frozen=True)
class CheckpointSpec:
    """A checkpoint that others publish, for `nic weights get`; the codec's importer reads it.

    codec: the codec's id; name: what its weights are called, unique among the codec's.
    location: an address: https://..., of a file or a zip archive; on Google Drive that of a file,
    https://drive.google.com/file/d/ID, or of a folder, https://drive.google.com/drive/folders/ID.
    lmbda: the lambda that tells it from the others, as the authors state it.
    member: a regular expression for the whole path of the checkpoint within an archive or a folder, with slashes. Where
    lmbda is None it may fit several, which are told apart by the lambdas in their names, and whose names are `name`
    followed by it.
    beside: a regular expression for the names of further files in the member's folder that belong to it.
    quality: of the weights; None for what lambda tells.
    size: of the download, in bytes; 0 where unknown, then the server is asked.
    sha256: what the download must hash to; empty where it is unknown, then that of the first time is remembered.
    licence: as its authors state it, "none stated" where they do not; page: where they publish it.
    importable: False for what is only downloaded, such as training data.
    """

    codec: str
    name: str
    location: str
    lmbda: float | None = None
    member: str = ""
    beside: str = ""
    quality: float | None = None
    size: int = 0
    sha256: str = ""
    licence: str = "none stated"
    page: str = ""
    summary: str = ""
    importable: bool = True


@dataclass(frozen=True)
class RecipeSpec:
    """A way to train a codec.

    target: "module:Class" of a frozen dataclass whose fields are the recipe's values (see docs/train.md).
    values: what this recipe sets differently from the class's defaults.
    """

    name: str
    codec: str
    target: str
    summary: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandSpec:
    """A verb for the `nic` command. target: "module:attribute" of a click command."""

    name: str
    target: str
    summary: str


@dataclass(frozen=True)
class EngineSpec:
    """A way to do many pieces of work at once, for `--engine NAME`.

    target: "module:attribute", called with a `nic_core.engines.engine.Wanted`, returns an `Engine` as defined there.
    """

    name: str
    target: str
    summary: str
