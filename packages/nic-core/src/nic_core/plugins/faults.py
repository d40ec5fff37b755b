"""What goes wrong within a plugin's code becomes an error of nic's that names the plugin."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nic_core import callers
from nic_core.errors import NicError, OutOfMemory, PluginFault
from nic_core.plugins import discovery
from nic_core.printable import kind_and_line
from nic_core.spec import CheckpointSpec, CodecSpec, CommandSpec, EngineSpec, ImporterSpec, RecipeSpec, WeightsSpec

Record = CodecSpec | WeightsSpec | ImporterSpec | CheckpointSpec | RecipeSpec | CommandSpec | EngineSpec


@contextmanager
def blamed(record: Record, doing: str) -> Iterator[None]:
    """Turn what a plugin raises in this block into PluginFault: what it may not raise, exits of the program included.

    NicErrors, KeyboardInterrupt and the like, and what the caller's own code raised within the plugin's (see
    `nic_core.callers`) pass as they are. OutOfMemory for MemoryError.
    record: of the plugin, whose code this is. doing: what it is used for, such as "encoding".
    """
    outer = sys.exc_info()[1]
    try:
        yield
    except (Exception, SystemExit) as error:
        told = blame(error, record, doing, outer)
        if told is error:
            raise
        raise told from error


def blame(error: BaseException, record: Record, doing: str, outer: BaseException | None = None) -> BaseException:
    """Return what `blamed` raises in place of an error that came out of a plugin's code; it may be the same.

    outer: what was being handled before that code ran.
    """
    if own := callers.within(error, outer):
        return own
    if isinstance(error, NicError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemory(f"{named(record)} needs more memory for {doing} than there is")
    return fault(record, f"failed in {doing}: {kind_and_line(error)}")


def fault(record: Record, what: str) -> PluginFault:
    """Return the error that says what a plugin did wrong: "failed in encoding"."""
    plugin = next((plugin for plugin in discovery.installed() if record in plugin.everything), None)
    whose = f"the plugin {plugin.distribution} {plugin.version}" if plugin else "its plugin"
    return PluginFault(f"{named(record)} {what} (a fault of {whose}; --debug shows where)")


def named(record: Record) -> str:
    """Return what a record is called in errors: "the codec mini"."""
    kinds: dict[type, tuple[str, str]] = {
        CodecSpec: ("the codec", "id"),
        WeightsSpec: ("the weights", "name"),
        ImporterSpec: ("the importer of", "codec"),
        CheckpointSpec: ("the checkpoint", "name"),
        RecipeSpec: ("the recipe", "name"),
        CommandSpec: ("the verb", "name"),
        EngineSpec: ("the engine", "name"),
    }
    kind, field = kinds[type(record)]
    name: Any = getattr(record, field)
    return f"{kind} {name}"
