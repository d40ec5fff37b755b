"""Whether files survive other floats: every layer's output disturbed, in the encoder or in the decoder.

python tools/benchmarks/noise.py --data kodak/ mini mini@before.safetensors

Each argument names a codec, and weights where it has none of its own. A file is lost where it does not decode, or
where other symbols come out than went in, as its checksum tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import nic_core
import torch
from nic_core.errors import DamagedFile
from nic_core.host.codec import Codec
from torch import Tensor, nn

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.LayerNorm, nn.GELU)


@contextmanager
def disturbed(model: nn.Module, amount: float) -> Iterator[None]:
    """Multiply what layers return by 1 + amount x a normal number, for the length of a block."""
    generator = torch.Generator().manual_seed(0)

    def disturb(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * (1 + amount * torch.randn(output.shape, generator=generator))

    hooks = [module.register_forward_hook(disturb) for module in model.modules() if isinstance(module, LAYERS)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def lost(codec: Codec, path: Path, quality: float | None, encoding: float, decoding: float) -> bool:
    """Return whether a picture's file is lost with so much noise on either side."""
    with disturbed(codec.model, encoding):
        data = codec.encode(path, quality)
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
@click.option("--amount", default=1e-3, show_default=True, help="Standard deviation of the relative noise.")
def main(codecs: tuple[str, ...], data: Path, limit: int, amount: float) -> None:
    """Print the table."""
    paths = sorted(path for path in data.iterdir() if path.suffix in (".png", ".jpg", ".webp"))[:limit]
    click.echo("| weights | quality | lost, noise while encoding | lost, noise while decoding |")
    click.echo("| --- | --- | --- | --- |")
    for name in codecs:
        identity, _, weights = name.partition("@")
        codec = nic_core.load(identity, weights=weights or None, device="cpu")
        for quality in (10.0, 50.0, 90.0) if isinstance(codec.weights[0].quality, tuple) else (None,):
            counts = []
            for noise in ((amount, 0.0), (0.0, amount)):
                with click.progressbar(paths, label=f"{name} {quality or ''}") as shown:
                    counts.append(sum(lost(codec, path, quality, *noise) for path in shown))
            cells = [name, "" if quality is None else f"{quality:g}", *(f"{count} of {len(paths)}" for count in counts)]
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
