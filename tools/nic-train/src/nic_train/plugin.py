"""What nic-train brings: the verb `train`. Imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CommandSpec

api_version = "1.0"


@hookimpl
def nic_commands() -> Iterator[CommandSpec]:
    """The verb."""
    yield CommandSpec("train", "nic_train.cli:train", "Train a codec on a folder of pictures.")
