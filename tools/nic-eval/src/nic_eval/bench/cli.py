"""`nic bench`."""

from dataclasses import asdict
from pathlib import Path

import click
from nic_core.cli.output import as_json, show_json
from nic_core.cli.system.completion import CodecName
from nic_core.errors import BadOption
from nic_core.spec import QUALITY

SIZE = "768x512"


@click.command()
@click.argument("codecs", nargs=-1, type=CodecName(), metavar="[CODEC[@WEIGHTS]]...")
@click.option("--size", metavar="WxH", help=f"Of the picture that is coded, which is drawn. [default: {SIZE}]")
@click.option("--picture", type=click.Path(path_type=Path), help="A picture of yours instead.")
@click.option("-q", "--quality", help="1 to 100, for weights that cover a range. [default: 50]")
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Runs that medians are over.")
@click.option("--random", is_flag=True, help="Time codecs without weights too, with random ones.")
@as_json
def bench(
    codecs: tuple[str, ...],
    size: str | None,
    picture: Path | None,
    quality: str | None,
    repeat: int,
    random: bool,
    as_json: bool,
) -> int:
    """Measure how fast this machine encodes and decodes, stage by stage, and how fast it could.

    \b
    nic bench                                  # every codec that has weights
    nic bench mini --size 1920x1080 -q 30
    nic bench mini tbtc-conv-charm@w.safetensors --picture photo.png
    nic bench --random cca --repeat 3          # what cca would take, with weights that know nothing
    nic bench --json > bench.json
    OMP_NUM_THREADS=1 nic bench mini           # on one thread

    Each codec is measured on the processor by each runtime that can run it, in processes of its own. 'analysis' is
    g_a and h_a, 'synthesis' g_s, 'entropy' the integer nets and the entropy coder, 'pixels' the conversion between
    integers and tensors. 'of rate' is the share of the measured float32 rate that a transform reaches, 'peak MB' what a
    process holds that does this alone. docs/performance.md says how to read the tables.
    """
    if size and picture:
        raise click.UsageError("--size draws a picture: give it or --picture, not both")

    from nic_core.cli.bars import working  # slow to import; --help can do without
    from nic_core.pictures.sources import picture_of

    from nic_eval.bench.benchmark import Benchmark
    from nic_eval.bench.choice import candidates
    from nic_eval.bench.picture import leaves, sides
    from nic_eval.bench.tables import left_out_lines, show_report

    wanted = None if quality is None else QUALITY.parse(quality)
    width, height = sides(size or SIZE)
    chosen = candidates(codecs, wanted, random)
    pixels = picture_of(picture).whole().pixels if picture else leaves(width, height)
    with working("nic bench"):
        report = Benchmark(chosen, pixels, str(picture or "drawn picture"), wanted, repeat, random).run()
    if not report.runs and codecs:
        raise BadOption("; ".join(left_out_lines(report.left_out)))
    if as_json:
        show_json(asdict(report))
    else:
        show_report(report)
    return 0 if report.runs else 1
