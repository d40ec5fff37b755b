"""What `nic encode --effort` gains for what it takes: BD-rates against effort 0, and seconds.

    nice hatch run python tools/benchmarks/effort.py KODAK --crop 256 --qualities 20,40,60,80
    nice hatch run python tools/benchmarks/effort.py KODAK --codec cca@cca-small --efforts 1,5,9 --first 6

Of each picture a curve of real files at some qualities is made with every effort; the BD-rate (PCHIP over log10 of the
rate, PSNR) is that of a picture against its own files of effort 0, and the mean of all pictures is shown, with the
worst one. Seconds are of one encode, the mean of all, by wall clock; MiB how far the process's memory grew in one, at
most, where Linux says it. A row is printed as soon as it is known.
"""

import argparse
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bjontegaard
import numpy as np
from nic_core import api
from nic_core.host.codec import Codec
from nic_core.pictures import image_files
from peak import growth

Curve = list[tuple[float, float]]
"""Bits per pixel and PSNR in dB, rising."""


@dataclass(frozen=True)
class Wanted:
    """What is measured; see `main` for what the fields mean."""

    folder: Path
    codec: str | None
    qualities: Sequence[int]
    efforts: Sequence[int]
    crop: int
    first: int | None
    every: int


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("--codec", help="ID[@WEIGHTS] [default: the default codec]")
    parser.add_argument("--qualities", type=numbers, default=[20, 40, 60, 80], help="[default: 20,40,60,80]")
    parser.add_argument("--efforts", type=numbers, default=list(range(1, 10)), help="[default: 1,2,...,9]")
    parser.add_argument("--crop", type=int, default=0, help="take so many pixels a side from the middle [default: all]")
    parser.add_argument("--first", type=int, default=None, help="take so many pictures, by name [default: all]")
    parser.add_argument("--every", type=int, default=1, help="take every so-manieth of them only [default: 1]")
    compare(Wanted(**vars(parser.parse_args())))


def compare(wanted: Wanted) -> None:
    """Measure and print."""
    paths = sorted(path for path in wanted.folder.iterdir() if path.suffix.lower() in image_files.READABLE_SUFFIXES)
    pictures = [cropped(path, wanted.crop) for path in paths[:: wanted.every][: wanted.first]]
    name, weights, _ = api.parse_codec(wanted.codec) if wanted.codec else (None, None, {})
    codec = api.load(name, weights, "cpu", "torch")
    codec.encode(pictures[0][:64, :64], effort=1)  # what is opened and imported once does not count
    sides = f", {wanted.crop} pixels a side" if wanted.crop else ""
    print(f"{codec.spec.id}, {len(pictures)} pictures{sides}, qualities {', '.join(map(str, wanted.qualities))}")
    print(f"{'effort':>6}  {'BD-rate %':>9}  {'worst %':>7}  {'seconds':>7}  {'MiB':>5}")
    anchors, took = measured(codec, pictures, wanted.qualities, 0)
    print(f"{0:>6}  {'':>9}  {'':>7}  {took}", flush=True)
    for effort in wanted.efforts:
        curves, took = measured(codec, pictures, wanted.qualities, effort)
        rates = [bd_rate(anchor, curve) for anchor, curve in zip(anchors, curves, strict=True)]
        print(f"{effort:>6}  {np.mean(rates):>9.2f}  {max(rates):>7.2f}  {took}", flush=True)


def numbers(text: str) -> list[int]:
    """Return whole numbers between commas."""
    return [int(number) for number in text.split(",")]


def cropped(path: Path, side: int) -> np.ndarray:
    """Return a picture's pixels, or those in its middle."""
    pixels = image_files.read(path).to_8_bit().pixels
    if not side:
        return pixels
    top, left = ((whole - side) // 2 for whole in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def measured(
    codec: Codec, pictures: list[np.ndarray], qualities: Sequence[int], effort: int
) -> tuple[list[Curve], str]:
    """Return each picture's curve, and cells with the mean seconds of an encode and the most memory of one."""
    curves, seconds, most = [], 0.0, 0
    for pixels in pictures:
        curve = []
        for quality in qualities:
            begin = time.perf_counter()
            with growth() as grown:
                data = codec.encode(pixels, quality, effort=effort)
            seconds, most = seconds + time.perf_counter() - begin, max(most, grown.bytes)
            curve.append((8 * len(data) / (pixels.shape[0] * pixels.shape[1]), psnr(pixels, codec, data)))
        curves.append(sorted(curve))
    return curves, f"{seconds / len(pictures) / len(qualities):>7.2f}  {most / 2**20:>5.0f}"


def psnr(pixels: np.ndarray, codec: Codec, data: bytes) -> float:
    """Return that of a file's picture in dB."""
    error = np.mean(np.square(pixels.astype(float) - codec.decode_picture(data).pixels))
    return 10 * math.log10(255**2 / error)


def bd_rate(anchor: Curve, curve: Curve) -> float:
    """Return the Bjontegaard difference of the rate in percent."""
    (base, base_psnr), (test, test_psnr) = (zip(*points, strict=True) for points in (anchor, curve))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small overlaps
        return bjontegaard.bd_rate(
            base, base_psnr, test, test_psnr, method="pchip", require_matching_points=False, min_overlap=0
        )


if __name__ == "__main__":
    main()
