"""Rate and distortion of a codec on a folder of pictures, from real files, against Pillow's JPEG and WebP.

    hatch run python tools/benchmarks/rd.py KODAK

KODAK is a folder with the 24 PNG files kodim01.png to kodim24.png. Bits are those of the whole .nic file; PSNR is that
of the mean squared error of each picture over all channels, averaged over pictures; the BD-rate is PCHIP over the
averaged curve. Prints a Markdown table; takes about three minutes for 24 pictures on two cores.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import bjontegaard
import nic_core
import numpy as np
from nic_core.cli.demo import psnr
from nic_core.picture import Picture
from PIL import Image
from rich.progress import track

Row = tuple[float, float, float, float]
"""bpp, PSNR in dB, median seconds to encode and to decode."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of PNG files")
    parser.add_argument("--codec", default=None, help="codec id [default: the default codec]")
    parser.add_argument("--weights", default=None, help="weights file or name")
    parser.add_argument("--qualities", type=float, nargs="+", default=[1, 10, 25, 40, 55, 70, 85, 100])
    options = parser.parse_args()
    pictures = [Image.open(path).convert("RGB") for path in sorted(options.pictures.glob("*.png"))]
    if not pictures:
        parser.error(f"no PNG files in {options.pictures}")

    codec = nic_core.load(options.codec, options.weights)
    codec.decode(codec.encode(pictures[0]))
    ours = curve(codec.spec.id, pictures, options.qualities, codec.encode, codec.decode)
    print(f"| {codec.spec.id}, quality | bpp | PSNR (dB) | encode (s) | decode (s) |\n|---|---|---|---|---|")
    for quality, (bpp, db, encode, decode) in zip(options.qualities, ours, strict=True):
        print(f"| {quality:g} | {bpp:.3f} | {db:.2f} | {encode:.2f} | {decode:.2f} |")
    for name, settings in (("JPEG", {"optimize": True}), ("WebP", {"method": 6})):
        theirs = curve(name, pictures, [5, 10, 20, 35, 50, 70, 85, 92], pillow(name, settings), opened)
        print(f"BD-rate against {name} (Pillow, {settings}): {bd_rate(theirs, ours):+.1f} %")


def curve(
    name: str,
    pictures: list[Image.Image],
    qualities: list[float],
    encode: Callable[[Image.Image, float], bytes],
    decode: Callable[[bytes], Image.Image],
) -> list[Row]:
    """Return one row for each quality, averaged over the pictures."""
    rows = []
    for quality in track(qualities, description=name, transient=True):
        values = []
        for picture in pictures:
            start = time.perf_counter()
            data = encode(picture, quality)
            middle = time.perf_counter()
            decoded = decode(data)
            end = time.perf_counter()
            bpp = 8 * len(data) / (picture.width * picture.height)
            values.append((bpp, psnr(Picture.of(picture), Picture.of(decoded)), middle - start, end - middle))
        bpp, db, encoding, decoding = zip(*values, strict=True)
        rows.append((float(np.mean(bpp)), float(np.mean(db)), statistics.median(encoding), statistics.median(decoding)))
    return rows


def bd_rate(anchor: list[Row], test: list[Row]) -> float:
    """Return the Bjontegaard rate difference in percent; negative where the test needs fewer bits."""
    columns = [[row[i] for row in rows] for rows in (anchor, test) for i in (0, 1)]
    return bjontegaard.bd_rate(*columns, method="pchip", require_matching_points=False, min_overlap=0)


def pillow(name: str, settings: dict[str, object]) -> Callable[[Image.Image, float], bytes]:
    """Return an encoder of Pillow's."""

    def encode(picture: Image.Image, quality: float) -> bytes:
        out = io.BytesIO()
        picture.save(out, name, quality=int(quality), **settings)
        return out.getvalue()

    return encode


def opened(data: bytes) -> Image.Image:
    """Decode what Pillow can."""
    return Image.open(io.BytesIO(data)).convert("RGB")


if __name__ == "__main__":
    main()
