"""Bits and likeness of coded sketches: those of photographs, as `textsketch-pics` draws and codes them.

python tools/benchmarks/sketches.py kodak/ --annotator pidinet --annotator-weights table5_pidinet.pth
python tools/benchmarks/sketches.py astronaut.png coffee.png --annotator canny --figure sketches.jpg
python tools/benchmarks/sketches.py kodak/ --annotator normal_bae --sketch-codec mini:quality=10

Bytes are of whole files, or of the labels of a segmentation map. Likeness is MS-SSIM, of such maps the part of the
pixels whose class is kept.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from nic_core.pictures import image_files
from nic_textsketch.sketches.ade20k import labels_of
from nic_textsketch.sketches.annotators import ANNOTATORS, load_annotator
from nic_textsketch.sketches.coding import LABELS, Coder, as_file, decode, encode
from PIL import Image
from pytorch_msssim import ms_ssim
from rich.console import Console
from rich.progress import track
from rich.table import Table


def likeness(a: Image.Image, b: Image.Image) -> float:
    """Return the MS-SSIM of two pictures, gray where one of them is."""
    mode = "RGB" if a.mode == b.mode == "RGB" else "L"
    x, y = (
        torch.from_numpy(np.atleast_3d(np.array(image.convert(mode)))).permute(2, 0, 1)[None].float()
        for image in (a, b)
    )
    return ms_ssim(x, y, data_range=255).item()


def agreement(a: Image.Image, b: Image.Image) -> float:
    """Return the part of the pixels whose class two segmentation maps agree on."""
    return float((labels_of(np.asarray(a)) == labels_of(np.asarray(b))).mean())


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
@click.option("--sketch-codec", default="", help="As in nic encode [default: textsketch-ntc; labels for segmentation].")
@click.option("--weights", help="Of the sketch codec [default: the installed ones].")
@click.option("--figure", type=click.Path(path_type=Path), help="Write photographs, sketches and coded sketches.")
@click.option("--device", default="cpu", show_default=True)
def main(
    photographs: tuple[Path, ...],
    annotator: str,
    annotator_weights: Path | None,
    sketch_codec: str,
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
    coder = Coder.of(sketch_codec, annotator, weights)
    alike = agreement if coder.name == LABELS else likeness
    title = f"sketches by {annotator}, coded by {coder.name}"
    table = Table("picture", "bytes", "bpp", "likeness", box=None, title=title, title_justify="left")
    rows, rates, values = [], [], []
    for file in track(files, "coding", console=Console(stderr=True), transient=True):
        photograph = image_files.read(file)
        drawn = draw(photograph)
        sketch = drawn.to_pil()
        unit = encode(drawn, 0, coder, device)
        decoded = decode(unit, sketch.size, coder.weights, device)
        size = len(as_file(unit, sketch.size) or unit.data)
        rates.append(8 * size / (sketch.width * sketch.height))
        values.append(alike(sketch, decoded))
        rows.append(beside([photograph.to_pil(), sketch, decoded]))
        table.add_row(file.name, str(size), f"{rates[-1]:.4f}", f"{values[-1]:.3f}")
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
