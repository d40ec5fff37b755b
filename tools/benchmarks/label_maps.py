"""How many bytes segmentation maps take, coded in several ways, at the size at which `textsketch-pics` has them.

python tools/benchmarks/label_maps.py maps/

maps/ holds gray PNG files whose levels are classes, as COCO-Stuff's; classes from 150 on stand for others. WebP and PNG
are of the labels as they are; "labels" is what is coded: contours smoothed, and a quarter of each side.
"""

import io
from pathlib import Path
from typing import Any

import click
import numpy as np
from nic_textsketch.geometry import rounded_size
from nic_textsketch.sketches import labels
from nic_textsketch.sketches.ade20k import PALETTE, colours_of
from PIL import Image
from rich.console import Console
from rich.table import Table

SHORT = 512


def size(image: Image.Image, format: str, **settings: Any) -> int:
    """Return the bytes of a picture file."""
    file = io.BytesIO()
    image.save(file, format, **settings)
    return len(file.getvalue())


@click.command(help=__doc__)
@click.argument("maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(maps: Path) -> None:
    """Print the table."""
    found = sorted(maps.rglob("*.png"))
    if not found:
        raise click.UsageError(f"there are no PNG files in {maps}")
    sizes: dict[str, list[int]] = {"PNG": [], "WebP, lossless": [], "labels": []}
    rates, kept = [], []
    for path in found:
        with Image.open(path) as image:
            wanted = rounded_size(*image.size, SHORT)
            classes = np.asarray(image.resize(wanted, Image.Resampling.NEAREST)) % len(PALETTE)
        whole = Image.fromarray(classes)
        data, coded = labels.encode(Image.fromarray(colours_of(classes)))
        sizes["PNG"].append(size(whole, "PNG", optimize=True))
        sizes["WebP, lossless"].append(size(whole, "WEBP", lossless=True, quality=100, method=6))
        sizes["labels"].append(len(data))
        rates.append(8 * len(data) / (wanted[0] * wanted[1]))
        same = np.asarray(labels.drawn(coded)) == colours_of(classes)
        kept.append(same.all(-1).mean())
    table = Table(f"{len(found)} maps", "bytes: mean", "largest", box=None)
    for name, each in sizes.items():
        table.add_row(name, f"{np.mean(each):.0f}", str(max(each)))
    Console().print(table)
    print(f"labels: {np.mean(rates):.4f} bpp; {100 * np.mean(kept):.1f} % of the pixels keep their class")


if __name__ == "__main__":
    main()
