"""One picture through several contestants at one rate, as a page."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.host.target import Target
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from rich.console import Console

from nic_eval import page
from nic_eval.contestants import Contestant, Setting, read_original, rgb
from nic_eval.evaluation import versions
from nic_eval.measure import Coded, Lane, end_workers
from nic_eval.metrics import Metric
from nic_eval.names import slug
from nic_eval.results import Curve, Measurement, Original, Point, Results


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
    failures: list[str] = []
    curves: list[Curve] = []
    console = Console(stderr=True)
    lane = Lane()
    try:
        with tempfile.TemporaryDirectory() as name, console.status("loading metrics") as status:
            folder = Path(name)
            image_files.write(Picture(rgb(original.pixels)), folder / "original.webp")
            picture = Original(source.name, original.width, original.height, "original.webp")
            missing = lane.unavailable([metric.name for metric in metrics])
            measured = [metric.name for metric in metrics if metric.name not in missing]
            notes = list(missing.values())
            for contestant in contestants:
                status.update(f"{contestant.name}: looking for {target}")
                try:
                    contestant.settings()  # says what is missing, before a process is started
                    lane.enter(contestant)
                    setting, note = lane.nearest(source, target)
                    coded = lane.code(source, setting, folder / f"{slug(contestant.name)}.{contestant.suffix}")
                    values = lane.judge(measured, source, coded.decoded)
                    decoded = f"{slug(contestant.name)}.decoded.webp"
                    image_files.write(Picture(coded.decoded), folder / decoded)
                    curves.append(_curve(contestant, setting, coded, values, picture, decoded))
                    notes += [note] if note else []
                except Exception as error:  # a codec may raise anything; the others are still shown
                    text = str(error) if isinstance(error, NicError) else f"{type(error).__name__}: {error}"
                    failures.append(f"skipped {contestant.name}: {' '.join(text.split())}")
            if not curves:
                raise NicError("; ".join(failures) or "no codec to compare is named")
            title = f"{source.name} at {bpp:g} bpp"
            results = Results(title, (picture,), tuple(curves), (), (*failures, *notes), versions(metrics))
            atomic_write(out, page.write_page(results, folder).read_bytes())
    except BaseException:  # an interrupt too: no worker may go on
        end_workers()
        raise
    finally:
        lane.leave()
    return Compared(results, tuple(failures))


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
