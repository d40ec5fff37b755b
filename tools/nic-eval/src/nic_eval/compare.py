"""One picture through several contestants at one rate, as a page."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nic_core.engines.engine import Wanted
from nic_core.engines.local import LocalEngine
from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.host.target import Target
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from rich.console import Console
from rich.text import Text

from nic_eval.contestants.contestant import Contestant, Setting, read_original, rgb
from nic_eval.measuring.coder import Coded
from nic_eval.measuring.lanes import open_lanes
from nic_eval.measuring.request import Log
from nic_eval.metrics.catalogue import Metric, versions
from nic_eval.names import printable, slug
from nic_eval.report import page
from nic_eval.results import Curve, Measurement, Original, Point, Results
from nic_eval.terminal import status


@dataclass(frozen=True)
class Compared:
    """What `compare` found. failures: contestants that could not be shown, one line each."""

    results: Results
    failures: tuple[str, ...]


def compare(
    source: Path, contestants: Sequence[Contestant], bpp: float, metrics: Sequence[Metric], out: Path
) -> Compared:
    """Write a page on which one picture can be compared as each contestant codes it at a rate.

    bpp: bits per pixel that a file has at most; where a contestant's smallest file is larger, that one is shown and a
    note says so. out: path of the page, which holds everything.

    Raises BadPicture, CannotWrite, and NicError where nothing is left.
    """
    original = read_original(source)
    target = Target("bpp", bpp)
    log = Log()
    curves: list[Curve] = []
    console = Console(stderr=True)
    with (
        closing(LocalEngine(Wanted(workers=1))) as engine,
        open_lanes(engine) as (lane,),
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        image_files.write(Picture(rgb(original.pixels)), folder / "original.webp")
        picture = Original(printable(source.name), original.width, original.height, "original.webp")
        with status(console, "loading metrics") as shown:
            missing = lane.unavailable([metric.name for metric in metrics])
            measured = [metric.name for metric in metrics if metric.name not in missing]
            log.notes.extend(missing.values())
            for contestant in contestants:
                shown.update(Text(f"{contestant.name}: looking for {target}"))
                try:
                    contestant.settings()  # says what is missing, before a process is started
                    lane.enter(contestant)
                    setting, note = lane.nearest(source, target)
                    coded = lane.code(source, setting, folder / f"{slug(contestant.name)}.{contestant.suffix}")
                    values = lane.judge(measured, source, coded.decoded)
                    decoded = f"{slug(contestant.name)}.decoded.webp"
                    image_files.write(Picture(coded.decoded), folder / decoded)
                    curves.append(_curve(contestant, setting, coded, values, picture, decoded))
                    log.notes.extend([note] if note else [])
                except Exception as error:  # a codec may raise anything; the others are still shown
                    log.fail(f"skipped {contestant.name}", error)
        if not curves:
            raise NicError("; ".join(log.failures) or "no codec to compare is named")
        title = f"{picture.name} at {bpp:g} bpp"
        notes = (*log.failures, *log.notes)
        results = Results(title, (picture,), tuple(curves), (), notes, versions(metrics))
        data = page.page_bytes(
            results, folder, "full", "nic · one picture at one rate", ("pictures", "chart", "differences")
        )
        atomic_write(out, data)
    return Compared(results, tuple(log.failures))


def _curve(
    contestant: Contestant,
    setting: Setting,
    coded: Coded,
    values: Mapping[str, float],
    picture: Original,
    decoded: str,
) -> Curve:
    """Return a curve of a single point with a single measurement."""
    bpp = 8 * coded.bytes / (picture.width * picture.height)
    times = (coded.encode_s, coded.decode_s, coded.peak_memory)
    measurement = Measurement(picture.name, coded.bytes, bpp, values, *times, "", decoded)
    point = Point(setting.label, setting.quality, bpp, values, (measurement,))
    return Curve(contestant.name, contestant.kind, (point,), contestant.description)
