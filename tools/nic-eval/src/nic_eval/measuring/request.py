"""What is asked of an evaluation, and what it tells besides figures."""

from dataclasses import dataclass, field
from pathlib import Path, PurePath

from nic_core.engines.engine import LOCAL, Wanted
from nic_core.errors import BadOption, NicError

from nic_eval.contestants.contestant import Contestant
from nic_eval.curves import published
from nic_eval.metrics.catalogue import Metric
from nic_eval.results import Curve


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    data: folder of pictures or of shards, a shard, or a URL of any. out: folder of the report.
    anchors: names of curves, none for the default one. published: names of published curves to show.
    engine, wanted: what measures, by default one process of this machine.
    files: a list of the pictures to take, None for all.
    """

    data: PurePath
    out: Path
    contestants: tuple[Contestant, ...]
    metrics: tuple[Metric, ...]
    anchors: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    engine: str = LOCAL.name
    wanted: Wanted = field(default_factory=lambda: Wanted(workers=1))
    files: Path | None = None

    def published_curves(self) -> tuple[Curve, ...]:
        """Return the published curves to show, those that are anchors among them; BadOption for unknown names."""
        wanted = [*self.published, *(name for name in self.anchors if name.startswith(published.PREFIX))]
        curves = [published.curve(name) for name in wanted]
        return tuple({curve.name: curve for curve in curves}.values())

    def check(self) -> None:
        """Raise NicError for a contestant that is there twice, BadOption for an anchor that will be no curve."""
        names = [contestant.name for contestant in self.contestants]
        if twice := [name for name in names if names.count(name) > 1]:
            raise NicError(f"{twice[0]} is given twice")
        known = [*names, *(curve.name for curve in self.published_curves())]
        if unknown := [name for name in self.anchors if name not in known]:
            raise BadOption(
                f"the anchor {unknown[0]!r} is not measured; there are {', '.join(known)}, and published figures: "
                + ", ".join(published.PREFIX + name for name in published.names())
            )


@dataclass(frozen=True)
class Log:
    """What is told at the end, one line each. failures: what went wrong; notes: what else a reader must know."""

    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, what: str, error: Exception) -> None:
        """Note a failure in one line; an error that nic did not foresee with its kind."""
        text = " ".join(str(error).split())
        self.failures.append(f"{what}: {text if isinstance(error, NicError) else f'{type(error).__name__}: {text}'}")
