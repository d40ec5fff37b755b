"""Finds installed plugins and collects their records; one broken plugin never hides another.

`NIC_PLUGINS` (comma-separated entry-point names) is an allow-list, `NIC_DISABLE_PLUGINS` a block-list.
"""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from nic_core import hooks
from nic_core.errors import CodecNotFound, NicError
from nic_core.plugins.published import DISTRIBUTIONS
from nic_core.plugins.versions import check_version
from nic_core.spec import CodecSpec, CommandSpec, EngineSpec, ImporterSpec, RecipeSpec, WeightsSpec

GROUP = "nic"
RECORDS = {
    "nic_codecs": CodecSpec,
    "nic_weights": WeightsSpec,
    "nic_importers": ImporterSpec,
    "nic_recipes": RecipeSpec,
    "nic_commands": CommandSpec,
    "nic_engines": EngineSpec,
}


@dataclass(frozen=True)
class Plugin:
    """One entry point and what came of it.

    records: by hook name; a hook that raised halfway keeps what it yielded before.
    error: one line, empty where all went well.
    """

    name: str
    distribution: str
    version: str
    records: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    error: str = ""

    @property
    def everything(self) -> list[Any]:
        """All records."""
        return [record for records in self.records.values() for record in records]


def installed() -> tuple[Plugin, ...]:
    """Return a report for every installed plugin that the environment variables let through, by name."""
    return _installed(os.environ.get("NIC_PLUGINS"), os.environ.get("NIC_DISABLE_PLUGINS"))


@cache
def _installed(allowed: str | None, blocked: str | None) -> tuple[Plugin, ...]:
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    wanted = None if allowed is None else _names(allowed)
    return tuple(
        load(point)
        for point in points
        if (wanted is None or point.name in wanted) and point.name not in _names(blocked or "")
    )


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def load(point: EntryPoint) -> Plugin:
    """Import an entry point and run its hooks; whatever it raises ends up in the report."""
    distribution = point.dist.name if point.dist else "?"
    version = point.dist.version if point.dist else "?"
    records: dict[str, tuple[Any, ...]] = {}
    try:
        module = point.load()
        check_version(getattr(module, "api_version", None), distribution)
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hooks)
        manager.register(module)
        manager.check_pending()
        for hook, kind in RECORDS.items():
            kept: list[Any] = []
            try:
                for yielded in getattr(manager.hook, hook)():
                    for record in yielded:
                        if not isinstance(record, kind):
                            raise TypeError(f"{hook} yielded {type(record).__name__} instead of {kind.__name__}")
                        kept.append(record)
            finally:
                records[hook] = tuple(kept)
    except (Exception, SystemExit) as error:  # a plugin may raise anything; that must not take the others down
        text = " ".join(str(error).split()) or type(error).__name__
        told = text if isinstance(error, NicError) else f"{type(error).__name__}: {text}"
        return Plugin(point.name, distribution, version, records, told)
    return Plugin(point.name, distribution, version, records)


def records(hook: str) -> Iterator[tuple[Plugin, Any]]:
    """Yield (plugin, record) for everything that all plugins bring under a hook."""
    for plugin in installed():
        for record in plugin.records.get(hook, ()):
            yield plugin, record


def list_codecs() -> list[CodecSpec]:
    """Return the codecs of all installed plugins, by id. Imports no torch."""
    return sorted({spec.id: spec for _, spec in records("nic_codecs")}.values(), key=lambda spec: spec.id)


def codec_spec(codec: str) -> CodecSpec:
    """Return the record of one codec; CodecNotFound where none or two plugins bring it."""
    found = [(plugin, spec) for plugin, spec in records("nic_codecs") if spec.id == codec]
    if len(found) > 1:
        names = " and ".join(plugin.distribution for plugin, _ in found)
        raise CodecNotFound(
            f"{names} both bring a codec {codec!r}; uninstall one, or set NIC_DISABLE_PLUGINS to its plugin's name"
        )
    if found:
        return found[0][1]
    if distribution := DISTRIBUTIONS.get(codec):
        missing = f"the codec {codec!r} is not installed: pip install {distribution}"
    else:
        missing = f"no installed package brings the codec {codec!r}"
    ids = [spec.id for spec in list_codecs()]
    near = difflib.get_close_matches(codec, ids) or [id for id in ids if id.startswith(codec)]
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    broken = [plugin for plugin in installed() if plugin.error]
    hint = f"; {broken[0].distribution} failed to load, see 'nic plugins'" if broken else ""
    raise CodecNotFound(f"{missing}{meant} Installed: {', '.join(ids) or 'none'}{hint}")
