"""Weights files that importers and codecs make: where they go, and what their records say of them."""

import inspect
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nic_core import plugins
from nic_core import weights as store
from nic_core.cli.bars import working
from nic_core.cli.jobs import Existing
from nic_core.cli.output import say
from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import atomic_path, check_writable, make_folder
from nic_core.files.temporary import temporary
from nic_core.spec import QUALITY, ImporterSpec, resolve
from nic_core.weights import WeightsInfo
from nic_core.weights.origin import quality_of
from nic_core.weights.record import is_plain, read_info, relabel

Making = dict[str, Path | None]
"""What integers are made from: the values of `--calibrate` and `--integers-of`."""
LONGEST_NAME = 100


@dataclass(frozen=True)
class Label:
    """What is known of a checkpoint before it is read.

    name: of its weights, empty for what its importer calls them. lmbda: the authors' lambda, None where nothing tells.
    quality: None for what the lambda tells. licence: empty where it is unknown. source: where it came from, for the
    record's provenance.

    BadOption for a name that cannot be one and a quality that is none.
    """

    name: str = ""
    lmbda: float | None = None
    quality: float | None = None
    licence: str = ""
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the user may have written."""
        if not is_plain(self.name) or len(self.name) > LONGEST_NAME:
            raise BadOption(f"a name is at most {LONGEST_NAME} characters that print, not {self.name!r}")
        if self.quality is not None:
            QUALITY.parse(self.quality)

    def of(self, info: WeightsInfo, importer: ImporterSpec) -> WeightsInfo:
        """Return a record with all that is known. info: as the importer wrote it, with the lambda that the checkpoint
        itself states as its provenance's "lambda"."""
        stated: Any = info.provenance.get("lambda")
        lmbda = self.lmbda
        if lmbda is None and type(stated) in (int, float) and stated > 0 and not info.covers_range:
            lmbda = stated
        tradeoff = by_lambda = None
        if lmbda is not None:
            with plugins.blamed(importer, "comparing trade-offs"):
                tradeoff = float(resolve(importer.tradeoff)(lmbda)) if importer.tradeoff else lmbda
                by_lambda = quality_of(tradeoff)
        told_quality = info.quality if self.quality is None else self.quality
        kept = {key: value for key, value in info.provenance.items() if key != "lambda"}
        told = {"lambda": lmbda} if lmbda is not None else {}
        source = {"source": self.source} if self.source else {}
        return replace(
            info,
            name=self.name or info.name,
            quality=by_lambda if told_quality is None else told_quality,
            lmbda=info.lmbda if tradeoff is None else tradeoff,
            licence=self.licence or info.licence,
            provenance={**kept, **told, **source},
        )


def importer_of(codec: str) -> ImporterSpec:
    """Return the reader of a codec's checkpoints; CodecNotFound, and NicError where there is none."""
    plugins.codec_spec(codec)
    for _, spec in plugins.records("nic_importers"):
        if spec.codec == codec:
            return spec
    raise NicError(f"{codec} has no importer of other checkpoints")


def import_checkpoint(importer: ImporterSpec, source: Path, target: Path, label: Label, making: Making) -> WeightsInfo:
    """Have an importer write a weights file, all or nothing; give it its label, and say what it is.

    Raises what importers do, and PluginFault.
    """
    with temporary(target.parent) as (made, _), atomic_path(target) as labelled:
        with plugins.blamed(importer, "reading a checkpoint"):
            run(resolve(importer.target), (importer.codec, source, made), making, f"making {target.name}")
        written = read_info(made, source.name)
        info = label.of(written, importer)
        check_name(info.codec, info.name, target)
        if info == written:
            os.replace(made, labelled)
        else:
            relabel(made, labelled, info)
    info = store.verified(target)
    told = f", lambda {info.provenance['lambda']:g}" if "lambda" in info.provenance else ""
    if info.quality is None:
        say(f"they are called {info.name}; nothing tells their rate, so -q does not choose them (--lambda, --quality)")
    elif not info.covers_range:
        say(f"they are called {info.name}{told}, quality {info.quality:g}")
        if _is_stored(target):
            _say_equals(info, target)
    return tell(target)


def _say_equals(info: WeightsInfo, target: Path) -> None:
    """Say which weights of the codec have the quality of new ones, so that only one of them is ever taken."""
    for other in store.available(info.codec):
        if other.quality == info.quality and not _same(other.location, target):
            say(f"{other.name} has that quality, too: --quality gives these another, for -q to choose between them")


def run(maker: Callable[..., Any], arguments: tuple[Any, ...], making: Making, title: str) -> None:
    """Have a codec write a weights file; BadOption where it cannot make integers from what was given."""
    given = {name: path for name, path in making.items() if path is not None}
    try:
        inspect.signature(maker).bind(*arguments, **given)
    except TypeError:
        if not given:
            raise
        flag = next(iter(given)).replace("_", "-")
        raise BadOption(f"this codec has no integers to make, so it takes no --{flag}") from None
    with working(title):
        maker(*arguments, **given)


def tell(target: Path) -> WeightsInfo:
    """Say what a new weights file is, and return its record."""
    info = store.verified(target)
    say(f"wrote {target} ({info.codec}, entropy {info.entropy_id}, synthesis {info.synthesis_id})")
    if info.integers:
        say(f"its integers: {info.integers}")
    return info


def free(output: Path | None, default: Path, how: Existing, remedy: str = "") -> Path | None:
    """Return the file to write, None where it is there and stays; NicError where it is in the way."""
    target = output or default
    if target.exists() and how == "skip":
        say(f"{target} is there already")
        return None
    if target.exists() and how == "refuse":
        raise NicError(f"{target} is there already; --overwrite replaces it{remedy}")
    if output is None:
        make_folder(target.parent)
    check_writable(target)
    return target


def stored_as(codec: str, name: str) -> Path:
    """Return the file that weights of a codec have in the store, by a name that may hold anything."""
    return store.store_folder() / codec / (re.sub(r"[^\w.-]+", "_", name)[:LONGEST_NAME] + ".safetensors")


def check_name(codec: str, name: str, target: Path) -> None:
    """Raise NicError where weights to store have the name of others of their codec, by which these are chosen."""
    for spec in store.stored() if _is_stored(target) else ():
        if (spec.codec, spec.name) == (codec, name) and not _same(spec.location, target):
            raise NicError(f"weights of {codec} named {name} are in your store already: give these another --name")


def _is_stored(target: Path) -> bool:
    return target.parent.parent == store.store_folder()


def _same(location: str, path: Path) -> bool:
    return Path(location).resolve() == path.resolve()
