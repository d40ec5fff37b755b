"""What each decoder makes of the same files: PSNR, MS-SSIM and Wasserstein distortion; and a picture of all of them.

    hatch run python tools/benchmarks/decoders.py KODAK fast best perceptual
    hatch run python tools/benchmarks/decoders.py KODAK fast perceptual --quality 10 --figure out.png \\
        --show kodim13.png:300,200,256,256 --show kodim08.png:100,100,256,256

Files are those of the default codec, or of --codec, at some qualities. Means over all pictures; seconds are medians of
decoding. Wasserstein distortion is that of `nic_nn.distances.wasserstein`, the mean over its scales in dB (-10 log10).
--figure puts the original and each decoder's picture of each --show (NAME:X,Y,WIDTH,HEIGHT) side by side, as they are.
"""

import argparse
import statistics
import time
from pathlib import Path

import nic_core
import numpy as np
import torch
from nic_core.pictures import image_files
from nic_eval.metrics.catalogue import psnr
from nic_nn.distances.wasserstein import wasserstein
from PIL import Image
from pytorch_msssim import ms_ssim


def main() -> None:
    """Measure and print; write the figure where one is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("decoders", nargs="+", help="their names, as 'nic weights' shows them")
    parser.add_argument("--codec", help="id [default: the default codec]")
    parser.add_argument("--quality", type=float, action="append", help="repeatable [default: 10, 40 and 70]")
    parser.add_argument("--figure", type=Path, help="picture to write, of the first quality")
    parser.add_argument("--show", action="append", default=[], metavar="NAME:X,Y,WIDTH,HEIGHT", help="part to show")
    options = parser.parse_args()
    codec = nic_core.load(options.codec)
    qualities = options.quality or [10.0, 40.0, 70.0]
    if options.figure:
        figure(codec, options.folder, options.decoders, qualities[0], options.show).save(options.figure)
        return
    paths = sorted(path for path in options.folder.iterdir() if path.suffix.lower() in image_files.READABLE_SUFFIXES)
    pictures = [image_files.read(path).to_8_bit() for path in paths]
    print("| quality | bpp | decoder | PSNR (dB) | MS-SSIM | Wasserstein distortion (dB) | decode (s) |")
    print("|---|---|---|---|---|---|---|")
    for quality in qualities:
        files = [codec.encode(picture, quality) for picture in pictures]
        sizes = sum(picture.width * picture.height for picture in pictures)
        bpp = 8 * sum(map(len, files)) / sizes
        for decoder in options.decoders:
            rows = [looks(codec, file, picture.pixels, decoder) for file, picture in zip(files, pictures, strict=True)]
            columns = list(zip(*rows, strict=True))
            *means, seconds = (*map(statistics.fmean, columns[:3]), statistics.median(columns[3]))
            cells = f"{means[0]:.2f} | {means[1]:.4f} | {means[2]:.2f} | {seconds:.2f}"
            print(f"| {quality:g} | {bpp:.3f} | {decoder} | {cells} |", flush=True)


def looks(codec: nic_core.Codec, file: bytes, pixels: np.ndarray, decoder: str) -> tuple[float, float, float, float]:
    """Return PSNR, MS-SSIM and Wasserstein distortion in dB of a decoded file, and the seconds that decoding took."""
    start = time.perf_counter()
    decoded = codec.decode_picture(file, decoder=decoder).pixels
    seconds = time.perf_counter() - start
    x_hat, x = (torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float() / 255 for part in (decoded, pixels))
    with torch.inference_mode():
        similarity = float(ms_ssim(x_hat, x, data_range=1.0))
        distance = float(-10 * torch.log10(wasserstein(x_hat, x)).mean())
    return psnr(pixels, decoded), similarity, distance, seconds


def figure(codec: nic_core.Codec, folder: Path, decoders: list[str], quality: float, shown: list[str]) -> Image.Image:
    """Return parts of pictures below one another: the original, and what each decoder makes of one file."""
    rows = []
    for text in shown:
        name, _, place = text.rpartition(":")
        x, y, width, height = map(int, place.split(","))
        picture = image_files.read(folder / name).to_8_bit()
        file = codec.encode(picture, quality)
        columns = [picture.pixels, *(codec.decode_picture(file, decoder=decoder).pixels for decoder in decoders)]
        rows.append(np.hstack([column[y : y + height, x : x + width] for column in columns]))
    return Image.fromarray(np.vstack(rows))


if __name__ == "__main__":
    main()
