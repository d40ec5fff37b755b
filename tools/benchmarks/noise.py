"""Whether files survive other floats: every layer's output disturbed, in the encoder or in the decoder.

python tools/benchmarks/noise.py --data kodak/ mini mini@before.safetensors
python tools/benchmarks/noise.py --data kodak/ --limit 3 --crop 200x136 cca egic

Each argument names a codec, and weights; a codec that brings none gets random ones. A file is lost where it does not
decode, or where other symbols come out than went in, as its checksum tells.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import torch
from models import codec_of
from nic_core.errors import DamagedFile
from nic_core.host.codec import Codec
from nic_core.pictures.image_files import READABLE_SUFFIXES
from nic_core.pictures.sources import picture_of
from nic_eval.bench.picture import sides
from nic_latent.graphs import Graph
from torch import Tensor, nn

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.LayerNorm, nn.GELU)


@contextmanager
def disturbed(model: nn.Module, amount: float) -> Iterator[None]:
    """Multiply what layers and graphs return by 1 + amount x a normal number, for the length of a block."""
    generator = torch.Generator().manual_seed(0)
    run = Graph.__call__

    def noisy(graph: Graph, **inputs: np.ndarray) -> list[np.ndarray]:
        return [disturb(graph, None, torch.from_numpy(found)).numpy() for found in run(graph, **inputs)]

    def disturb(module: object, inputs: object, output: Tensor) -> Tensor:
        return output * (1 + amount * torch.randn(output.shape, generator=generator))

    hooks = [module.register_forward_hook(disturb) for module in model.modules() if isinstance(module, LAYERS)]
    try:
        with patch.object(Graph, "__call__", noisy):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def middle(pixels: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Return pixels (H, W, C) cut to a width and a height, all of them for None."""
    if size is None:
        return pixels
    left, top = ((length - side) // 2 for length, side in zip(pixels.shape[1::-1], size, strict=True))
    return pixels[top : top + size[1], left : left + size[0]]


def lost(codec: Codec, pixels: np.ndarray, quality: float | None, encoding: float, decoding: float) -> bool:
    """Return whether a picture's file is lost with so much noise on either side."""
    with disturbed(codec.model, encoding):
        data = codec.encode(pixels, quality)
    try:
        with disturbed(codec.model, decoding):
            codec.decode(data)
    except DamagedFile:
        return True
    return False


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, required=True, metavar="CODEC[@WEIGHTS]...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--limit", default=24, show_default=True, help="How many of them.")
@click.option("--crop", help="Width x height of what is cut from their middle.  [default: all]")
@click.option("--amount", default=1e-3, show_default=True, help="Standard deviation of the relative noise.")
def main(codecs: tuple[str, ...], data: Path, limit: int, crop: str | None, amount: float) -> None:
    """Print the table."""
    size = sides(crop) if crop else None
    paths = sorted(path for path in data.iterdir() if path.suffix in READABLE_SUFFIXES)[:limit]
    pictures = [middle(picture_of(path).pixels, size) for path in paths]
    click.echo("| weights | quality | lost, noise while encoding | lost, noise while decoding |")
    click.echo("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in codecs:
            codec = codec_of(name, Path(folder))
            for quality in (10.0, 50.0, 90.0) if isinstance(codec.weights[0].quality, tuple) else (None,):
                counts = []
                for noise in ((amount, 0.0), (0.0, amount)):
                    with click.progressbar(pictures, label=f"{name} {quality or ''}", file=sys.stderr) as shown:
                        counts.append(sum(lost(codec, pixels, quality, *noise) for pixels in shown))
                level = "" if quality is None else f"{quality:g}"
                click.echo(f"| {' | '.join([name, level, *(f'{count} of {len(paths)}' for count in counts)])} |")


if __name__ == "__main__":
    main()
