"""The seven hooks of the plugin contract.

A plugin is a distribution with an entry point in the group "nic". The entry point names a module that imports nothing
heavy, defines `api_version = "1.2"`, and implements any of these hooks with `@hookimpl`. Each yields frozen records;
what they point to is imported when it is first used.
"""

from collections.abc import Iterable

import pluggy

from nic_core.spec import CheckpointSpec, CodecSpec, CommandSpec, EngineSpec, ImporterSpec, RecipeSpec, WeightsSpec

hookspec = pluggy.HookspecMarker("nic")
hookimpl = pluggy.HookimplMarker("nic")


@hookspec
def nic_codecs() -> Iterable[CodecSpec]:  # type: ignore[empty-body]
    """Yield the codecs that the plugin brings."""


@hookspec
def nic_weights() -> Iterable[WeightsSpec]:  # type: ignore[empty-body]
    """Yield weights that are bundled or can be fetched; see `nic_core.weights.bundled`."""


@hookspec
def nic_importers() -> Iterable[ImporterSpec]:  # type: ignore[empty-body]
    """Yield readers of authors' checkpoints."""


@hookspec
def nic_checkpoints() -> Iterable[CheckpointSpec]:  # type: ignore[empty-body]
    """Yield checkpoints that authors publish, which `nic weights get` downloads and imports. Since 1.1."""


@hookspec
def nic_recipes() -> Iterable[RecipeSpec]:  # type: ignore[empty-body]
    """Yield training recipes."""


@hookspec
def nic_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Yield verbs for the `nic` command."""


@hookspec
def nic_engines() -> Iterable[EngineSpec]:  # type: ignore[empty-body]
    """Yield what runs `--engine NAME`: workers on other machines."""
