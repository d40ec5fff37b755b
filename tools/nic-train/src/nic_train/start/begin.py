"""How a run begins: from fresh networks, from what `--init` names, or from where a run stands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nic_core.errors import BadOption

from nic_train import checkpoints
from nic_train.checkpoints import BEST, Which
from nic_train.request import read_record
from nic_train.start.sources import Source


@dataclass(frozen=True)
class Begin:
    """What a run begins with; fresh networks where nothing is said.

    resume: go on with the run itself. initial: what `--init` names, in turn. run: another run to go on from, as if this
    one had made its steps. which: the checkpoint of the runs among these.
    """

    resume: bool = False
    initial: tuple[Path, ...] = ()
    run: Path | None = None
    which: Which = None

    def checkpoint(self, out: Path) -> Path | None:
        """Return the checkpoint whose networks, optimizers and step are taken; out: the run's folder.

        BadOption for the best one of another run, which keeps no optimizers.
        """
        if self.run is None:
            return checkpoints.path_of(out) if self.resume else None
        if self.which == BEST:
            raise BadOption("the best checkpoint keeps no optimizers, and --from goes on with them: try --init")
        return checkpoints.path_of(self.run, self.which)

    def record(self, out: Path, sources: list[Source], state: dict[str, Any] | None) -> dict[str, str]:
        """Return what run.json keeps of it. sources: of `initial`; state: the checkpoint's."""
        if self.resume:
            return read_record(out).initial
        if self.run is not None and state is not None:
            return {"run": f"{self.run.absolute().name} step {state['step']}", **read_record(self.run).initial}
        return records_of(sources)


def records_of(sources: list[Source]) -> dict[str, str]:
    """Return what run.json keeps of sources; where two give the same, of the later one."""
    return {key: value for source in sources for key, value in source.record.items()}
