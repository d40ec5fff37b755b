"""Whether the number of latent channels limits the pictures: what rounding leaves to gain, and a linear bound.

python tools/benchmarks/latent_limit.py --data train/ --val valid/

First the PSNR of mini's weights, the bundled ones without --weights, on centre crops of the held-out pictures, with
latents rounded and not rounded. Then what a linear transform reaches without any rounding: principal components of
16 x 16 blocks of the training pictures, as many as a codec has latents at 1/16. A learned transform can do better with
as many channels, since its blocks overlap and it is not linear, but not by much.
"""

import click
import nic_core
import numpy as np
import torch
from nic_nn.training.recipe import bits_per_pixel
from nic_train.data import loader
from nic_train.data.sampling import PictureSet
from torch import Tensor

BLOCK = 16
CHANNELS = (96, 128, 160, 192, 256, 320)
CROP = 512
QUALITIES = (50.0, 90.0, 100.0)
BLOCKS_OF_EACH = 100


def blocks_of(pixels: np.ndarray) -> np.ndarray:
    """Return the blocks (N, 768) of a picture (H, W, 3), its sides multiples of 16."""
    height, width, channels = pixels.shape
    split = pixels.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    return split.transpose(0, 2, 1, 3, 4).reshape(-1, BLOCK**2 * channels).astype(np.float64)


def random_blocks(source: PictureSet, seed: int = 0) -> np.ndarray:
    """Return some blocks of every picture."""
    draw = np.random.default_rng(seed)
    found = []
    for index in range(len(source)):
        _, item = source.first_sound([index])
        height, width = (side - BLOCK for side in item.pixels.shape[:2])
        for top, left in zip(
            draw.integers(height, size=BLOCKS_OF_EACH), draw.integers(width, size=BLOCKS_OF_EACH), strict=True
        ):
            found.append(blocks_of(item.pixels[top : top + BLOCK, left : left + BLOCK] / 255))
    return np.concatenate(found)


def psnr(x_hat: Tensor, x: Tensor) -> float:
    """Return the PSNR in dB of pictures in [0, 1]."""
    return float(-10 * torch.log10((x_hat.clamp(0, 1) - x).square().mean()))


@torch.inference_mode()
def measured(pictures: list[Tensor], weights: str | None) -> str:
    """Return a table of bpp and PSNR of weights, rounded and not."""
    model = nic_core.load("mini", weights, device="cpu").model
    lines = ["| quality | bpp | PSNR (dB) | PSNR without rounding (dB) |", "| --- | --- | --- | --- |"]
    for quality in QUALITIES:
        rows = []
        for x in pictures:
            output = model(x, quality)
            unrounded = model.synthesise(model.analyse(x, quality), quality)
            rows.append((float(bits_per_pixel(output, x)), psnr(output["x_hat"], x), psnr(unrounded, x)))
        bpp, rounded, unrounded = np.mean(rows, 0)
        lines.append(f"| {quality:.0f} | {bpp:.3f} | {rounded:.1f} | {unrounded:.1f} |")
    return "\n".join(lines)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.option("--data", required=True, help="Folder of training pictures.")
@click.option("--val", required=True, help="Folder of held-out pictures.")
@click.option("--weights", help="Weights of mini instead of the bundled ones.")
def main(data: str, val: str, weights: str | None) -> None:
    """Print both tables."""
    held_out = loader.validation_loader(loader.open_source(val, CROP), CROP, 1)
    pictures = [batch.as_float().pixels for batch in held_out]
    click.echo(measured(pictures, weights) + "\n")
    blocks = random_blocks(loader.open_source(data, CROP))
    mean = blocks.mean(0)
    _, axes = np.linalg.eigh(np.cov(blocks, rowvar=False))  # the weakest first
    crops = [blocks_of(x[0].permute(1, 2, 0).numpy()) - mean for x in pictures]
    click.echo("| channels at 1/16 | mean PSNR (dB) | worst picture (dB) |\n| --- | --- | --- |")
    for count in CHANNELS:
        kept = axes[:, -count:]
        found = [-10 * np.log10(np.mean((crop - crop @ kept @ kept.T) ** 2)) for crop in crops]
        click.echo(f"| {count} | {np.mean(found):.1f} | {min(found):.1f} |")


if __name__ == "__main__":
    main()
