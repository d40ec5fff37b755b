"""What `--realism` costs in squared error: one file of each picture, decoded at several values.

python tools/benchmarks/realism.py w.safetensors --data held-out/ --figure sweep.jpg photo.png
"""

from pathlib import Path

import click
import nic_core as nic
import numpy as np
from nic_core.pictures.image_files import READABLE_SUFFIXES
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

VALUES = (1.0, 0.75, 0.5, 0.25, 0.0)


def psnr(decoded: np.ndarray, original: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of 8-bit pixels, in dB."""
    return float(10 * np.log10(255**2 / np.square(decoded.astype(float) - original).mean()))


@click.command(help=__doc__)
@click.argument("weights", type=click.Path(exists=True))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of pictures.")
@click.option("--figure", nargs=2, metavar="OUT IMAGE", help="Write IMAGE's sweep to OUT, the original last.")
@click.option("--device", default="cpu", show_default=True)
def main(weights: str, data: Path, figure: tuple[str, str] | None, device: str) -> None:
    """Print the table, write the figure."""
    codec = nic.load("egic", weights=weights, device=device)
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    if not files:
        raise click.UsageError(f"no pictures below {data}")
    rates, found = [], []
    for path in track(files, "decoding", console=Console(stderr=True), transient=True):
        original = np.asarray(Image.open(path).convert("RGB"))
        file = codec.encode(original)
        rates.append(8 * len(file) / original[..., 0].size)
        found.append([psnr(np.asarray(codec.decode(file, realism=value)), original) for value in VALUES])
    table = Table(title=f"{len(files)} pictures, {np.mean(rates):.3f} bpp", box=None, title_justify="left")
    for heading in ("realism", *map(str, VALUES)):
        table.add_column(heading, justify="right")
    table.add_row("PSNR (dB)", *(f"{value:.2f}" for value in np.mean(found, 0)))
    Console().print(table)
    rising = np.all(np.diff(found, axis=1) > 0, 1).sum()
    print(f"rising from realism 1 to 0 for {rising} of {len(files)} pictures")
    if figure:
        out, image = figure
        original = np.asarray(Image.open(image).convert("RGB"))
        file = codec.encode(original)
        shown = [np.asarray(codec.decode(file, realism=value)) for value in VALUES[::2]]
        Image.fromarray(np.concatenate([*shown, original], 1)).save(out, quality=95)
        bpp = 8 * len(file) / original[..., 0].size
        print(f"wrote {out}: realism {', '.join(map(str, VALUES[::2]))}, original; {bpp:.3f} bpp")


if __name__ == "__main__":
    main()
