"""What coding in integers costs: the rate and the fidelity of real streams against those of the floats they came from.

python tools/benchmarks/integer_rate.py --data kodak/ mini@mini.safetensors textsketch-ntc@sketch.safetensors

Each argument names a codec and weights whose entropy model is in floating point; its integers are made in memory. Both
code the same latents. `narrowed` says how many of the values that products take were beyond their bits and limited.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import click
import nic_core
import numpy as np
import torch
from nic_core.host.codec import Codec
from nic_core.pictures.sources import picture_of
from nic_latent.entropy_model import EntropyModel
from nic_latent.executor import only_numpy
from nic_latent.layers import norms, products
from nic_nn.codec import to_tensor
from nic_nn.integers.calibration import integers_of
from nic_nn.model import LatentModel
from torch import Tensor

QUALITIES = (10.0, 50.0, 90.0)


@dataclass
class Limited:
    """Counts narrowed values. beyond: how many of them were limited."""

    values: int = 0
    beyond: int = 0

    def __call__(self, x: np.ndarray, bits: int, largest: int) -> np.ndarray:
        """Stand for `nic_latent.arithmetic.narrowed`."""
        wide = (x.astype(np.int64) + (1 << bits >> 1)) >> bits
        self.values += wide.size
        self.beyond += int((np.abs(wide) > largest).sum())
        return np.clip(wide, -largest, largest)


@dataclass(frozen=True)
class Row:
    """One picture. sizes: bytes of the streams, in floats and in integers; psnr: dB, likewise."""

    sizes: tuple[int, int]
    psnr: tuple[float, float]


def qualities(codec: Codec) -> tuple[float | None, ...]:
    """Return what to measure a codec at."""
    (weights,) = codec.weights
    return QUALITIES if isinstance(weights.quality, tuple) else (None,)


def options_of(quality: float | None) -> dict[str, float]:
    """Return what models of a range are called with."""
    return {} if quality is None else {"quality": quality}


def measure(model: LatentModel, integers: EntropyModel, x: Tensor, quality: float | None) -> Row:
    """Return both ways of coding a picture."""
    options = options_of(quality)
    sizes, psnr = [], []
    for entropy_model in (None, integers):
        model.integers = entropy_model
        compressed = model.compress(x, **options)
        x_hat = model.decompress(compressed, **options)["x_hat"]
        sizes.append(len(compressed.streams[0]))
        psnr.append(-10 * float((x_hat - x.clamp(0, 1)).square().mean().log10()))
    return Row((sizes[0], sizes[1]), (psnr[0], psnr[1]))


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, required=True, metavar="CODEC@WEIGHTS...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--limit", default=24, show_default=True, help="How many of them.")
@torch.inference_mode()
def main(codecs: tuple[str, ...], data: Path, limit: int) -> None:
    """Print the table."""
    paths = sorted(path for path in data.iterdir() if path.suffix in (".png", ".jpg", ".webp"))[:limit]
    click.echo("| codec | quality | bytes in floats | rate, mean | rate, least to most | PSNR (dB) | narrowed |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for name in codecs:
        identity, _, weights = name.partition("@")
        codec = nic_core.load(identity, weights=weights, device="cpu")
        model: LatentModel = codec.model
        if model.integers is not None:
            raise click.UsageError(f"{weights} codes in integers already: give what it was made from")
        integers = integers_of(model)
        for quality in qualities(codec):
            limited = Limited()
            rows = []
            with click.progressbar(paths, label=f"{identity} {quality or ''}") as shown:
                for path in shown:
                    picture = picture_of(path)
                    pixels = (picture.to_gray() if model.picture_channels == 1 else picture).pixels
                    x = to_tensor(pixels, model.stride, torch.device("cpu"), model.picture_channels)
                    rows.append(measure(model, integers, x, quality))
                    with (
                        only_numpy(),
                        patch.object(products, "narrowed", limited),
                        patch.object(norms, "narrowed", limited),
                    ):
                        model.compress(x, **options_of(quality))
            changes = [100 * (row.sizes[1] / row.sizes[0] - 1) for row in rows]
            fidelity = statistics.fmean(row.psnr[1] - row.psnr[0] for row in rows)
            cells = [
                *(identity, "" if quality is None else f"{quality:g}"),
                f"{statistics.fmean(row.sizes[0] for row in rows):.0f}",
                f"{statistics.fmean(changes):+.3f} %",
                f"{min(changes):+.2f} to {max(changes):+.2f} %",
                f"{fidelity:+.4f}",
                f"{limited.beyond} of {limited.values:.3g}",
            ]
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
