"""What transforms in bfloat16 cost: bytes and PSNR of real files beside those of float32.

python tools/benchmarks/bfloat16.py --data kodak/ mini cca@cca.safetensors

Each picture is coded with transforms in float32 and in bfloat16, by torch on the processor, and either file is decoded.
Columns are means over pictures: PSNR with float32 alone; by how much decoding in bfloat16 changes it, and encoding and
decoding in it; by how much that changes the bytes. `largest` is the largest difference of a value between the two
decodings of float32's file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import nic_core as nic
import numpy as np
from nic_core.host.target import psnr
from nic_core.pictures.sources import picture_of

QUALITIES = (10.0, 50.0, 100.0)


@dataclass(frozen=True)
class Row:
    """One picture. psnr, bytes: by float32; decoded, both, bytes_both: changes by bfloat16, dB and shares."""

    psnr: float
    decoded: float
    both: float
    bytes_both: float
    largest: int


def compared(exact: nic.Codec, lower: nic.Codec, path: Path, quality: float | None) -> Row:
    """Code one picture both ways."""
    picture = picture_of(path)
    file, other = (codec.encode(path, quality) for codec in (exact, lower))
    known, near, far = exact.decode_picture(file), lower.decode_picture(file), lower.decode_picture(other)
    reached = psnr(picture, known)
    largest = int(np.abs(known.pixels.astype(int) - near.pixels).max())
    share = len(other) / len(file) - 1
    return Row(reached, psnr(picture, near) - reached, psnr(picture, far) - reached, share, largest)


def qualities(codec: nic.Codec) -> Iterator[float | None]:
    """Yield those to measure at."""
    yield from QUALITIES if isinstance(codec.weights[0].quality, tuple) else (None,)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, required=True, metavar="CODEC[@WEIGHTS]...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="A folder of PNG pictures.")
@click.option("--pictures", type=click.IntRange(1), default=24, show_default=True, help="At most so many of them.")
def main(codecs: tuple[str, ...], data: Path, pictures: int) -> None:
    """Measure and print."""
    paths = sorted(data.glob("*.png"))[:pictures]
    if not paths:
        raise click.UsageError(f"{data} holds no PNG pictures")
    click.echo("| codec | quality | PSNR (dB) | decoded in bf16 | encoded too | bytes | largest |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for text in codecs:
        name, _, weights = text.partition("@")
        exact, lower = (nic.load(name, weights or None, "cpu", runtime) for runtime in ("torch", "torch-bf16"))
        for quality in qualities(exact):
            rows = [compared(exact, lower, path, quality) for path in paths]
            means = [float(np.mean([getattr(row, key) for row in rows])) for key in ("psnr", "decoded", "both")]
            share = 100 * float(np.mean([row.bytes_both for row in rows]))
            click.echo(
                f"| {name} | {'' if quality is None else f'{quality:g}'} | {means[0]:.2f} | {means[1]:+.4f} "
                f"| {means[2]:+.4f} | {share:+.3f} % | {max(row.largest for row in rows)} |"
            )


if __name__ == "__main__":
    main()
