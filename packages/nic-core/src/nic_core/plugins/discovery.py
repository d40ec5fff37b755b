"""Finds installed plugins and collects their records; one broken plugin never hides another.

`NIC_PLUGINS` (comma-separated entry-point names) is an allow-list, `NIC_DISABLE_PLUGINS` a block-list.
"""

import difflib
import inspect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from nic_core import hooks
from nic_core.errors import CodecNotFound, NicError
from nic_core.plugins.checks import problem
from nic_core.plugins.published import DISTRIBUTIONS
from nic_core.plugins.versions import check_version
from nic_core.printable import kind_and_line, line_of
from nic_core.spec import CheckpointSpec, CodecSpec, CommandSpec, EngineSpec, ImporterSpec, RecipeSpec, WeightsSpec

GROUP = "nic"
RECORDS = {
    "nic_codecs": CodecSpec,
    "nic_weights": WeightsSpec,
    "nic_importers": ImporterSpec,
    "nic_checkpoints": CheckpointSpec,
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
                        if wrong := problem(record):
                            raise TypeError(f"{hook} yielded a {wrong}")
                        kept.append(record)
            finally:
                records[hook] = tuple(kept)
    except (Exception, SystemExit) as error:  # a plugin may raise anything; that must not take the others down
        told = line_of(error) if isinstance(error, NicError) else kind_and_line(error)
        return Plugin(point.name, distribution, version, records, told)
    return Plugin(point.name, distribution, version, records, _unmarked(manager, module))


def _unmarked(manager: pluggy.PluginManager, module: Any) -> str:
    """Return which hooks of a module are never called; empty where all are, and one is there."""
    functions = [name for name, value in vars(module).items() if name.startswith("nic_") and inspect.isfunction(value)]
    forgotten = [name for name in functions if manager.parse_hookimpl_opts(module, name) is None]
    marked = len(forgotten) < len(functions)
    if marked:
        forgotten = [name for name in forgotten if name in RECORDS]
    if forgotten:
        return f"{', '.join(forgotten)} without @hookimpl {'is' if len(forgotten) == 1 else 'are'} not used"
    return "" if marked else f"it brings nothing: its module has none of the hooks {', '.join(RECORDS)}"


def records(hook: str) -> Iterator[tuple[Plugin, Any]]:
    """Yield (plugin, record) for everything that all plugins bring under a hook."""
    for plugin in installed():
        for record in plugin.records.get(hook, ()):
            yield plugin, record


def brought_twice(plugins: Sequence[Plugin], what: str) -> str:
    """Return who brings something that only one can bring: "nic-one and nic-two both bring a codec 'same'"."""
    names = sorted({plugin.distribution for plugin in plugins})
    if len(names) == 1:
        return f"{names[0]} brings {what} twice"
    return f"{' and '.join(names)} {'both ' if len(names) == 2 else ''}bring {what}"


def list_codecs() -> list[CodecSpec]:
    """Return the codecs of all installed plugins, by id. Imports no torch."""
    return sorted({spec.id: spec for _, spec in records("nic_codecs")}.values(), key=lambda spec: spec.id)


def codec_spec(codec: str) -> CodecSpec:
    """Return the record of one codec; CodecNotFound where none or two plugins bring it."""
    found = [(plugin, spec) for plugin, spec in records("nic_codecs") if spec.id == codec]
    if len(found) > 1:
        raise CodecNotFound(
            f"{brought_twice([plugin for plugin, _ in found], f'a codec {codec!r}')}; uninstall one, or set "
            "NIC_DISABLE_PLUGINS to its plugin's name"
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
