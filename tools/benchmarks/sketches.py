"""Bits and likeness of coded sketches: those of photographs, as `textsketch-pics` draws and codes them.

python tools/benchmarks/sketches.py kodak/ --annotator pidinet --annotator-weights table5_pidinet.pth
python tools/benchmarks/sketches.py astronaut.png coffee.png --annotator canny --figure sketches.jpg
"""

from collections.abc import Sequence
from pathlib import Path

import click
import nic_core as nic
import numpy as np
import torch
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_textsketch.sketches.annotators import ANNOTATORS, load_annotator
from PIL import Image
from pytorch_msssim import ms_ssim
from rich.console import Console
from rich.progress import track
from rich.table import Table


def likeness(a: Image.Image, b: Image.Image) -> float:
    """Return the MS-SSIM of two gray pictures."""
    x, y = (torch.from_numpy(np.array(image)).float()[None, None] for image in (a, b))
    return ms_ssim(x, y, data_range=255).item()


def beside(images: Sequence[Image.Image], height: int = 256) -> Image.Image:
    """Return pictures in a row."""
    scaled = [image.convert("RGB").resize((round(image.width * height / image.height), height)) for image in images]
    row = Image.new("RGB", (sum(image.width for image in scaled), height))
    left = 0
    for image in scaled:
        row.paste(image, (left, 0))
        left += image.width
    return row


@click.command(help=__doc__)
@click.argument("photographs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--annotator", default="hed", show_default=True, type=click.Choice(list(ANNOTATORS)))
@click.option("--annotator-weights", type=click.Path(exists=True, path_type=Path), help="As in nic encode.")
@click.option("--weights", help="Of textsketch-ntc [default: the installed ones].")
@click.option("--figure", type=click.Path(path_type=Path), help="Write photographs, sketches and coded sketches.")
@click.option("--device", default="cpu", show_default=True)
def main(
    photographs: tuple[Path, ...],
    annotator: str,
    annotator_weights: Path | None,
    weights: str | None,
    figure: Path | None,
    device: str,
) -> None:
    """Print the table, write the figure."""
    files = [file for path in photographs for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in image_files.READABLE_SUFFIXES]
    if not files:
        raise click.UsageError("there are no pictures")
    draw = load_annotator(annotator, weights=annotator_weights, device=device)
    codec = nic.load("textsketch-ntc", weights, device)
    table = Table("picture", "bytes", "bpp", "MS-SSIM", box=None)
    rows, rates, values = [], [], []
    for file in track(files, "coding", console=Console(stderr=True), transient=True):
        photograph = image_files.read(file)
        sketch = draw(photograph).to_pil()
        data = codec.encode(Picture.of(sketch))
        decoded = codec.decode(data)
        rates.append(8 * len(data) / (sketch.width * sketch.height))
        values.append(likeness(sketch, decoded))
        rows.append(beside([photograph.to_pil(), sketch, decoded]))
        table.add_row(file.name, str(len(data)), f"{rates[-1]:.4f}", f"{values[-1]:.3f}")
    table.add_row("mean", "", f"{np.mean(rates):.4f}", f"{np.mean(values):.3f}")
    table.add_row("largest, least", "", f"{max(rates):.4f}", f"{min(values):.3f}")
    Console().print(table)
    if figure:
        page = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)))
        for index, row in enumerate(rows):
            page.paste(row, (0, index * row.height))
        page.save(figure, quality=85)


if __name__ == "__main__":
    main()
