"""What several plugins bring under one name; `nic plugins` and `nic codecs` show it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nic_core.plugins import discovery
from nic_core.plugins.discovery import Plugin, brought_twice


@dataclass(frozen=True)
class Kind:
    """What can be there twice.

    said: in words. name: of a record. then: what becomes of records of one name, the first of a distribution `first`.
    """

    said: str
    name: Callable[[Any], str]
    then: str


UNUSED = "it cannot be used before one is uninstalled or disabled"
FIRST = "that of {first} is used"
KINDS = {
    "nic_codecs": Kind("codec", lambda spec: spec.id, UNUSED),
    "nic_weights": Kind(
        "weights", lambda spec: f"{spec.codec}@{spec.name}", "the higher rank is used, else those of {first}"
    ),
    "nic_importers": Kind("importer of", lambda spec: spec.codec, FIRST),
    "nic_checkpoints": Kind("checkpoint", lambda spec: f"{spec.codec}@{spec.name}", FIRST),
    "nic_recipes": Kind("recipe", lambda spec: f"{spec.codec} {spec.name}", FIRST),
    "nic_commands": Kind("verb", lambda spec: spec.name, UNUSED),
    "nic_engines": Kind("engine", lambda spec: spec.name, UNUSED),
}


@dataclass(frozen=True)
class Conflict:
    """One name that two plugins bring, or one and core.

    hook: by which. name: of a codec, verb, importer's codec, "codec@weights", "codec recipe". codec: whose, empty for
    verbs and engines. plugins: names of the plugins, as NIC_DISABLE_PLUGINS takes them. text: all of it, in one line.
    """

    hook: str
    name: str
    codec: str
    plugins: tuple[str, ...]
    text: str


def conflicts(verbs: Iterable[str] = ()) -> list[Conflict]:
    """Return all conflicts among the installed plugins. verbs: those of core, which no plugin can replace."""
    found = []
    for hook, kind in KINDS.items():
        groups: defaultdict[str, list[tuple[Plugin | None, str]]] = defaultdict(list)
        if hook == "nic_commands":
            for verb in verbs:
                groups[verb.casefold()].append((None, verb))
        for plugin, record in discovery.records(hook):
            name = kind.name(record)
            groups[name.casefold()].append((plugin, name))
        found += [_conflict(hook, kind, group) for group in groups.values() if len(group) > 1]
    return sorted(found, key=lambda conflict: (conflict.hook, conflict.name))


def _conflict(hook: str, kind: Kind, group: Sequence[tuple[Plugin | None, str]]) -> Conflict:
    plugins = [plugin for plugin, _ in group if plugin is not None]
    spellings = list(dict.fromkeys(name for _, name in group))
    names = tuple(dict.fromkeys(plugin.name for plugin in plugins))
    if len(spellings) > 1:
        said = " and ".join(f"{name!r} of {plugin.distribution if plugin else 'nic itself'}" for plugin, name in group)
        text = f"the {kind.said} {said} differ only in capitals"
    elif len(plugins) < len(group):
        whose = " and ".join(plugin.distribution for plugin in plugins)
        text = f"the {kind.said} {spellings[0]!r} of {whose} is passed over: nic itself has it"
    else:
        what = f"the {kind.said} {spellings[0]!r}"
        text = f"{brought_twice(plugins, what)}; {kind.then.format(first=plugins[0].distribution)}"
        if len(names) > 1:
            text += f" (plugins {', '.join(names)})"
    codec = "" if hook in ("nic_commands", "nic_engines") else spellings[0].partition("@")[0].partition(" ")[0]
    return Conflict(hook, spellings[0], codec, names, text)
