"""What tiles cost: bits, and fidelity at their seams, against the same picture coded in one piece.

    hatch run python tools/benchmarks/seams.py --tile 1024 photo.png ...
    hatch run python tools/benchmarks/seams.py --codec cca@cca-small.safetensors --mosaic 2x2 photos/*.png
    hatch run python tools/benchmarks/seams.py --gradients

For each picture: how many more bits the tiled file has, and the PSNR of pixels within 16 of a seam and of all others,
tiled and in one piece. What stands near a seam may be harder to code than the rest; so the last column, the tiled
file's loss near seams less its loss elsewhere, is what tiles do to their borders.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nic_core import api
from nic_core.format.tiling import Tiling
from nic_core.host.codec import Codec
from nic_core.pictures import image_files
from nic_latent.integers.edges import NO_EDGES, Edges
from rich.console import Console
from rich.table import Table

NEAR = 16
"""Pixels on each side of a seam."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--codec", action="append", help="ID[@WEIGHTS], again for more [default: the default codec]")
    parser.add_argument("--quality", type=float, help="[default: of the weights, or 50]")
    parser.add_argument("--tile", type=int, default=2048, help="longest side of a tile [default: 2048]")
    parser.add_argument("--mosaic", default="1x1", help="join so many pictures into one, COLUMNSxROWS [default: 1x1]")
    parser.add_argument("--gradients", action="store_true", help="slopes of light and colour, where banding shows")
    parser.add_argument("--zeros", action="store_true", help="what it would be if nets saw zeros beyond seams")
    options = parser.parse_args()
    if options.zeros:
        Edges.of = classmethod(lambda cls, tile, picture: NO_EDGES)  # type: ignore[method-assign, assignment]
    columns, rows = map(int, options.mosaic.split("x"))
    table = Table(*("codec", "picture", "tiles", "bits %", "near dB", "in one piece", "elsewhere dB", "in one piece"))
    table.add_column("at seams dB")
    for text in options.codec or [None]:
        name, weights, _ = api.parse_codec(text) if text else (None, None, {})
        codec = api.load(name, weights, "cpu")
        codec.opened(codec.weights[0]).tile = options.tile  # blocks of synthesis as small as tiles
        totals = []
        for label, pixels in [*mosaics(options.pictures, columns, rows), *(gradients() if options.gradients else [])]:
            totals.append(measured(codec, pixels, options.quality, options.tile))
            table.add_row(codec.spec.id, label, *shown(totals[-1]))
    Console(width=140).print(table)


def mosaics(paths: list[Path], columns: int, rows: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, pixels) of pictures, as many joined as make a mosaic, cut to the smallest one."""
    count = columns * rows
    for first in range(0, len(paths) - count + 1, count):
        found = [image_files.read(path).to_8_bit().pixels for path in paths[first : first + count]]
        found = [pixels if pixels.shape[1] >= pixels.shape[0] else pixels.swapaxes(0, 1) for pixels in found]
        height, width = (min(pixels.shape[axis] for pixels in found) for axis in (0, 1))
        cells = [pixels[:height, :width] for pixels in found]
        lines = [np.concatenate(cells[row * columns : (row + 1) * columns], 1) for row in range(rows)]
        joined = np.concatenate(lines)
        if count > 1:  # or where pictures meet is where tiles meet
            joined = np.roll(joined, (height // 2, width // 2), (0, 1))
        yield paths[first].stem[:12], joined


def gradients() -> Iterator[tuple[str, np.ndarray]]:
    """Yield flat slopes of gray and of colours, 3000 x 2000."""
    row, column = np.mgrid[:2000, :3000] / 3000
    slope = 90 + 40 * (column + row)[..., None] * np.ones(3)
    yield "gray slope", np.rint(slope).astype(np.uint8)
    sky = np.stack([110 + 60 * row, 150 + 50 * row, 215 + 20 * (row - column)], 2)
    yield "sky", np.rint(sky).astype(np.uint8)


def measured(codec: Codec, pixels: np.ndarray, quality: float | None, tile: int) -> tuple[str, float, list[float]]:
    """Return the tiles, the bits that they add in %, and PSNRs: near seams and elsewhere, tiled and whole each time."""
    height, width = pixels.shape[:2]
    limit = width * height
    tiled = codec.encode(pixels, quality, tile=tile)
    tiling = api.inspect(tiled).tiling
    if tiling is None:
        raise SystemExit(f"{width} x {height} pixels are one tile: take a smaller --tile")
    with_tiles = codec.decode_picture(tiled, max_pixels=limit).pixels
    codec.opened(codec.weights[0]).tile = 1 << 20
    whole = codec.encode(pixels, quality)
    in_one = codec.decode_picture(whole, max_pixels=limit).pixels
    codec.opened(codec.weights[0]).tile = tile
    near = seams(tiling, width, height)
    values = [psnr(pixels, coded, place) for place in (near, ~near) for coded in (with_tiles, in_one)]
    shape = f"{tiling.columns(width)} x {tiling.rows(height)} of {tiling.width} x {tiling.height}"
    return shape, 100 * (len(tiled) / len(whole) - 1), values


def seams(tiling: Tiling, width: int, height: int) -> np.ndarray:
    """Return where a pixel is near a seam, (H, W)."""
    near = np.zeros((height, width), bool)
    for x in range(tiling.width, width, tiling.width):
        near[:, x - NEAR : x + NEAR] = True
    for y in range(tiling.height, height, tiling.height):
        near[y - NEAR : y + NEAR] = True
    return near


def psnr(original: np.ndarray, coded: np.ndarray, place: np.ndarray) -> float:
    """Return the PSNR in dB over some pixels."""
    channels = coded.shape[2]
    reference = original[place].astype(float)
    error = np.mean(np.square(reference[:, :channels] - coded[place]))
    return 10 * math.log10(255**2 / error) if error else math.inf


def shown(result: tuple[str, float, list[float]]) -> list[str]:
    """Return a table's cells."""
    shape, bits, (near, near_whole, far, far_whole) = result
    at_seams = (near - near_whole) - (far - far_whole)
    return [
        shape,
        f"{bits:+.2f}",
        *(f"{value:.3f}" for value in (near, near_whole, far, far_whole)),
        f"{at_seams:+.3f}",
    ]


if __name__ == "__main__":
    main()
