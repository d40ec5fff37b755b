"""What coding in integers costs: the rate and the fidelity of real streams against those of the floats they came from.

python tools/benchmarks/integer_rate.py --data kodak/ mini@mini.safetensors runs/charm

Each argument names a codec and weights whose entropy model is in floating point, or the folder of a run of `nic train`;
its integers are made in memory. Both code the same latents. `limited` says how many of the nets' values were beyond
their bits.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

import click
import nic_core
import torch
from nic_core.pictures.sources import picture_of
from nic_nn.entropy.latent import channels_last
from nic_nn.integers.limits import limited
from nic_nn.model import LatentModel
from nic_nn.pixels import to_tensor
from nic_train.export import trained
from torch import Tensor

QUALITIES = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class Row:
    """One picture. sizes: bytes of the streams, in floats and in integers; psnr: dB, likewise."""

    sizes: tuple[int, int]
    psnr: tuple[float, float]


def float_model(name: str) -> tuple[str, LatentModel, tuple[float | None, ...]]:
    """Return the codec's id and the model of an argument, and the qualities to measure it at."""
    if Path(name).is_dir():
        found = trained(Path(name))
        return found.record.request.codec, found.model.eval(), QUALITIES if found.recipe.quality_range else (None,)
    identity, _, weights = name.partition("@")
    codec = nic_core.load(identity, weights=weights, device="cpu")
    if codec.model.integers is not None:
        raise click.UsageError(f"{weights} codes in integers already: give what it was made from")
    return identity, codec.model, QUALITIES if isinstance(codec.weights[0].quality, tuple) else (None,)


def options_of(quality: float | None) -> dict[str, float]:
    """Return what models of a range are called with."""
    return {} if quality is None else {"quality": quality}


def coded(model: LatentModel, x: Tensor, quality: float | None) -> tuple[int, float]:
    """Return the bytes of a picture's stream and the PSNR of what comes back."""
    options = options_of(quality)
    compressed = model.compress(x, **options)
    x_hat = model.decompress(compressed, **options)["x_hat"]
    return len(compressed.streams[0]), -10 * float((x_hat - x.clamp(0, 1)).square().mean().log10())


def measure(model: LatentModel, x: Tensor, quality: float | None) -> Row:
    """Return both ways of coding a picture."""
    with model.in_floats():
        before = coded(model, x, quality)
    after = coded(model, x, quality)
    return Row((before[0], after[0]), (before[1], after[1]))


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, required=True, metavar="CODEC@WEIGHTS|RUN...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--limit", default=24, show_default=True, help="How many of them.")
@torch.inference_mode()
def main(codecs: tuple[str, ...], data: Path, limit: int) -> None:
    """Print the table."""
    paths = sorted(path for path in data.iterdir() if path.suffix in (".png", ".jpg", ".webp"))[:limit]
    click.echo("| codec | quality | bytes in floats | rate, mean | rate, least to most | PSNR (dB) | limited |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for name in codecs:
        identity, model, qualities = float_model(name)
        model.make_integers()
        assert model.integers is not None
        for quality in qualities:
            rows, values, beyond = [], 0, 0
            with click.progressbar(paths, label=f"{identity} {quality or ''}") as shown:
                for path in shown:
                    picture = picture_of(path)
                    pixels = (picture.to_gray() if model.picture_channels == 1 else picture).pixels
                    x = to_tensor(pixels, model.stride, torch.device("cpu"), model.picture_channels)
                    rows.append(measure(model, x, quality))
                    latents = model(x, **options_of(quality))["latents"]
                    counts = limited(model.integers, channels_last(latents["y"]), channels_last(latents["z"]))
                    values, beyond = values + counts.values, beyond + counts.beyond
            changes = [100 * (row.sizes[1] / row.sizes[0] - 1) for row in rows]
            fidelity = statistics.fmean(row.psnr[1] - row.psnr[0] for row in rows)
            cells = [
                *(identity, "" if quality is None else f"{quality:g}"),
                f"{statistics.fmean(row.sizes[0] for row in rows):.0f}",
                f"{statistics.fmean(changes):+.3f} %",
                f"{min(changes):+.2f} to {max(changes):+.2f} %",
                f"{fidelity:+.4f}",
                f"{beyond} of {values:.3g}",
            ]
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
