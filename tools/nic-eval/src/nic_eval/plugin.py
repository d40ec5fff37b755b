"""What nic-eval brings: the verbs `eval`, `compare`, `fid`, `report` and `bench`. Imports nothing heavy."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CommandSpec

api_version = "1.0"


@hookimpl
def nic_commands() -> Iterator[CommandSpec]:
    """The verbs."""
    yield CommandSpec("eval", "nic_eval.cli:evaluate", "Measure codecs on a folder of pictures.")
    yield CommandSpec("compare", "nic_eval.cli:compare", "Show one picture through several codecs, side by side.")
    yield CommandSpec("fid", "nic_eval.cli:fid", "Measure FID and KID of two folders of pictures.")
    yield CommandSpec("report", "nic_eval.cli:report", "Make one page of several evaluations.")
    yield CommandSpec("bench", "nic_eval.bench.cli:bench", "Measure how fast this machine runs codecs, stage by stage.")
