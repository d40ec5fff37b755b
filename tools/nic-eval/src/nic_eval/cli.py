"""`nic eval`, `nic compare`, `nic fid` and `nic report`."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click
import numpy as np
from nic_core.cli.crew import Crew, with_crew
from nic_core.cli.jobs import PlaceType
from nic_core.cli.system.completion import CodecName
from nic_core.errors import BadOption

if TYPE_CHECKING:
    from nic_eval.contestants.contestant import Contestant
    from nic_eval.measuring.evaluation import Evaluated
    from nic_eval.report.pictures import Embed

BASELINES = "jpeg, webp, avif, jpeg2000, jxl, heic; bpg, vtm, x265 where their programs are on the PATH"

METRICS = (
    "psnr, ms-ssim, lpips, lpips-unit, dists, clip; fid, kid of patches; fid-whole, kid-whole; top1:MODEL, fd:MODEL of "
    "timm's models, such as top1:resnet50.a1_in1k or resnet50@FILE, and fd of DINOv2"
)

codec_option = click.option(
    "--codec",
    "codecs",
    type=CodecName(),
    multiple=True,
    metavar="ID[@WEIGHTS][:KEY=VALUE,...]",
    help="An installed codec; repeatable.",
)
baseline_option = click.option(
    "--baseline",
    "baselines",
    metavar="NAME[:KEY=VALUE],...",
    default="",
    help=f"Any of {BASELINES}; slower ones as avif:speed=0, jxl:effort=9, heic:preset=veryslow.",
)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
anchor_option = click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="NAME",
    help="Curve that BD-rates are against, or published:NAME; repeatable. [default: jpeg, or the first baseline]",
)
embed_option = click.option(
    "--embed",
    type=click.Choice(["previews", "full"]),
    default="previews",
    show_default=True,
    help="What report.html holds: previews, with the exact pictures beside it in pictures/, or all in one file.",
)
published_option = click.option(
    "--published", metavar="NAME,...", default="", help="Published curves to show, such as vtm,elic2022,cca-clic."
)
subset_option = click.option(
    "--kid-subset-size",
    type=click.IntRange(min=2),
    metavar="N",
    help="Pictures, or patches, in each of KID's 100 subsets. [default: 1000]",
)


@click.command()
@click.option(
    "--data",
    required=True,
    type=PlaceType(),
    help="Folder tree of pictures or of .tar shards, a shard, or a URL of any.",
)
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="List of the pictures to take, such as COCO-30k's: JSON, or a name a line. [default: all]",
)
@codec_option
@baseline_option
@click.option(
    "--metrics",
    default="psnr,ms-ssim",
    show_default=True,
    metavar="NAME,...",
    help=f"Any of {METRICS}.",
)
@subset_option
@click.option(
    "--estimate",
    is_flag=False,
    flag_value="only",
    type=click.Choice(["only", "both"]),
    metavar="[only|both]",
    help="Take codecs' rates as their models estimate them, from a forward pass without files: fast. 'both' measures "
    "files beside them.",
)
@click.option(
    "--qualities", metavar="Q,...", help="Points of codecs whose weights cover a range. [default: 1,10,25,40,...,100]"
)
@anchor_option
@published_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the report.")
@embed_option
@with_crew
@device_option
def evaluate(
    data: PurePath,
    files: Path | None,
    codecs: tuple[str, ...],
    baselines: str,
    metrics: str,
    kid_subset_size: int | None,
    estimate: str | None,
    qualities: str | None,
    anchors: tuple[str, ...],
    published: str,
    out: Path,
    embed: "Embed",
    crew: Crew,
    device: str,
) -> int:
    """Measure codecs on pictures, from real files, and write a report.

    \b
    nic eval --data kodak/ --codec mini --baseline jpeg,webp --out report
    nic eval --data kodak/ --codec mini --codec tbtc-conv-charm@w.safetensors \\
        --metrics psnr,ms-ssim,lpips --anchor published:vtm --out report

    \b
    nic eval --data s3://bucket/clic.tar --codec egic:realism=0 --codec egic:realism=1 \\
        --metrics psnr,lpips,fid-whole,top1:resnet50.a1_in1k --out report

    Open report/report.html. Run again after Ctrl-C, or with more codecs or metrics: only what is missing is measured.
    Times can be compared where one worker measures, as by default. docs/evaluate.md says how each figure is defined.
    """
    from nic_eval.contestants.codecs import QUALITIES  # slow to import; --help can do without
    from nic_eval.measuring.evaluation import evaluate as run
    from nic_eval.measuring.request import Request
    from nic_eval.metrics import catalogue
    from nic_eval.report import folder, gallery, tables

    points = tuple(_quality(text) for text in names_of(qualities)) if qualities else QUALITIES
    request = Request(
        data,
        out,
        tuple(contestants(codecs, baselines, device, points, estimate)),
        tuple(catalogue.find(names_of(metrics), kid_subset_size or catalogue.KID_SUBSET_SIZE)),
        anchors,
        tuple(names_of(published)),
        *crew.chosen(device, 1),
        files=files,
    )
    evaluated = run(request)
    originals = {source.name: source.path for source in evaluated.sources}
    results = gallery.add(evaluated.results, out, originals, decoder(request.contestants, evaluated))
    page = folder.write_report(results, out, embed)
    if text := tables.summary(results):
        click.echo(text)
    for note in results.notes:
        if note not in evaluated.failures:
            click.echo(f"nic: {note}", err=True)
    click.echo(f"wrote {page}")
    if evaluated.failures:
        click.echo(f"nic: {len(evaluated.failures)} failed:", err=True)
        for failure in evaluated.failures:
            click.echo(f"nic: {failure}", err=True)
    return 1 if evaluated.failures else 0


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@codec_option
@baseline_option
@click.option("--bpp", type=float, default=0.3, show_default=True, help="Bits per pixel that a file has at most.")
@click.option("--metrics", default="psnr,ms-ssim", show_default=True, metavar="NAME,...", help="As for 'nic eval'.")
@click.option("--out", default="compare.html", show_default=True, type=click.Path(path_type=Path), help="The page.")
@device_option
def compare(
    image: Path, codecs: tuple[str, ...], baselines: str, bpp: float, metrics: str, out: Path, device: str
) -> int:
    """Show one picture through several codecs at the same rate, side by side on one page.

    \b
    nic compare photo.png --codec mini --baseline webp --bpp 0.3 --out photo.html
    """
    from nic_eval import compare as comparing  # slow to import; --help can do without
    from nic_eval.metrics import catalogue

    wanted = catalogue.find(names_of(metrics))
    if of_set := [metric.name for metric in wanted if metric.of_set]:
        raise BadOption(f"{of_set[0]} needs many pictures: use 'nic eval'")
    compared = comparing.compare(image, contestants(codecs, baselines, device), bpp, wanted, out)
    for curve in compared.results.curves:
        item = curve.points[0].measurements[0]
        values = ", ".join(f"{name} {value:.4g}" for name, value in item.metrics.items())
        click.echo(f"{curve.name}, {curve.points[0].label}: {item.bytes} bytes, {item.bpp:.3f} bpp, {values}")
    for note in compared.results.notes:
        click.echo(f"nic: {note}", err=True)
    click.echo(f"wrote {out}")
    return 1 if compared.failures else 0


@click.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("decoded", type=click.Path(path_type=Path))
@subset_option
@device_option
def fid(reference: Path, decoded: Path, kid_subset_size: int | None, device: str) -> None:
    """Print FID and KID of the pictures in a folder against those in another, as whole pictures.

    \b
    nic encode coco/ --codec mini -o files/
    nic decode files/ -o decoded/
    nic fid coco/ decoded/

    A picture that cannot be read ends it. 'nic eval' measures the same as fid-whole and kid-whole, of patches as fid
    and kid.
    """
    from nic_eval.metrics import folders as measuring  # slow to import; --help can do without

    found = measuring.distance(reference, decoded, device, kid_subset_size=kid_subset_size)
    click.echo(f"FID        {found.fid:.6g}")
    click.echo(f"KID        {found.kid:.6g} ({measuring.KID_SUBSETS} subsets of {found.kid_subset_size} pictures)")
    click.echo(f"reference  {found.reference} pictures")
    click.echo(f"decoded    {found.decoded} pictures")
    if found.reference != found.decoded:
        click.echo("nic: the folders do not have equally many pictures", err=True)
    if min(found.reference, found.decoded) <= measuring.FEW:
        click.echo(f"nic: FID of {measuring.FEW} pictures or fewer depends on their number most of all", err=True)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@anchor_option
@published_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the report.")
@embed_option
def report(files: tuple[Path, ...], anchors: tuple[str, ...], published: str, out: Path, embed: "Embed") -> None:
    """Make one report of several evaluations of the same pictures, or make one anew.

    \b
    nic report mine/results.json theirs/results.json --out both
    nic report mine/results.json --anchor published:vtm --out mine
    """
    from nic_eval.report import folder, merge  # slow to import; --help can do without

    paths = [path / "results.json" if path.is_dir() else path for path in files]
    merged = merge.merge(paths, out, anchors, names_of(published))
    click.echo(f"wrote {folder.write_report(merged, out, embed)}")


def contestants(
    codecs: Sequence[str],
    baselines: str,
    device: str,
    qualities: tuple[float, ...] | None = None,
    estimate: str | None = None,
) -> list["Contestant"]:
    """Return who takes part; UsageError where nobody does, CodecNotFound and BadOption for mistyped names.

    estimate: "only" for codecs whose rates are estimated, "both" for these beside those whose files are measured.
    """
    from nic_eval.contestants import baselines as known  # slow to import; --help can do without
    from nic_eval.contestants.codecs import QUALITIES, NicContestant
    from nic_eval.contestants.estimates import EstimatedContestant

    kinds = {"only": (EstimatedContestant,), "both": (NicContestant, EstimatedContestant)}.get(
        estimate or "", (NicContestant,)
    )
    ours = [kind(text, device, qualities or QUALITIES) for text in codecs for kind in kinds]
    for contestant in ours:
        contestant.check()
    found = [*ours, *(known.find(name) for name in known.split(baselines))]
    if not found:
        raise click.UsageError("name at least one --codec or --baseline")
    return found


def decoder(contestants: Sequence["Contestant"], evaluated: "Evaluated") -> Callable[[str, Path], np.ndarray]:
    """Return a function that decodes a coded file of a curve again, for the page."""
    by_name = {contestant.name: contestant for contestant in contestants}

    def decode(curve: str, path: Path) -> np.ndarray:
        return by_name[curve].decode(path.read_bytes(), evaluated.settings[curve, path])

    return decode


def names_of(text: str) -> list[str]:
    """Split "a,b" into names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _quality(text: str) -> float:
    from nic_core.spec import QUALITY

    return QUALITY.parse(text)
