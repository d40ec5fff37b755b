"""What the smallest file can claim, and what decoding it costs: pixels, bytes, seconds and memory.

python tools/benchmarks/claims.py
python tools/benchmarks/claims.py --codec textsketch-ntc 1 4

A file holds the same z everywhere, which is searched channel by channel, and the likeliest symbols of y, one after
another, so it is about as small as a sound file of its size gets. What a decoder does before it finds damage is shown
by the file with another checksum, and by one whose stream is that of 64 x 64 pixels. Seconds are a processor's;
arguments are megapixels, of squares.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import click
import nic_core as nic
import numpy as np
import torch
from nic_core.coding import Interleaved, Tables
from nic_core.errors import DamagedFile
from nic_core.format.container import File, Header, pack
from nic_latent.coding import LATENT_GRID, Gaussians, checksum, positions, y_hat_of
from nic_latent.entropy_model import HYPER_SYNTHESIS, EntropyModel
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.nets import NetTable
from nic_latent.orders.context import Params, Scan, drive
from peak import growth


def likeliest(tables: Tables) -> np.ndarray:
    """Return the symbol of each row that costs least, escapes aside."""
    widest = [int(np.diff(row[:-1]).argmax()) for row in tables.rows]
    return tables.offset + np.array(widest, np.int32)


class Likeliest:
    """Partner of a context that codes the likeliest symbol everywhere."""

    def __init__(self, gaussians: Gaussians, push: Callable[..., None]) -> None:
        self._gaussians, self._symbols, self._push = gaussians, likeliest(gaussians.tables), push

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            return drive(group.steps(), self)[0]
        mean, chosen = group.mean.on(LATENT_GRID).values, positions(group)
        indexes = self._gaussians.indexes(group, chosen)
        symbols = self._symbols[indexes]
        self._push(symbols.reshape(-1), indexes.reshape(-1), self._gaussians.tables)
        return y_hat_of(symbols, mean, chosen)


def smallest_stream(model: EntropyModel, z: np.ndarray, side: int) -> tuple[bytes, int]:
    """Return the stream of a square whose z are the symbols (C,) at side x side places, and its symbols' checksum."""
    encoder, summed = Interleaved().encoder(), 0

    def push(symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        nonlocal summed
        encoder.push(symbols, indexes, tables)
        summed = checksum(symbols, summed)

    symbols = np.tile(z, (1, side, side, 1))
    push(symbols.reshape(-1), np.tile(np.arange(len(z), dtype=np.int32), side * side), model.z_tables)
    nets = NetTable(model.nets)
    drive(model.order(nets, nets(HYPER_SYNTHESIS, model.z_hat(symbols))), Likeliest(model.gaussians, push))
    return encoder.finish(), summed


def searched(model: EntropyModel) -> np.ndarray:
    """Return z (C,), whose stream is short: from the likeliest, each channel a step further as long as that helps."""
    z, side = likeliest(model.z_tables), 4
    best = len(smallest_stream(model, z, side)[0])
    for other in _neighbours(z):
        size = len(smallest_stream(model, other, side)[0])
        if size < best:
            best, z[:] = size, other
    return z


def _neighbours(z: np.ndarray) -> Iterator[np.ndarray]:
    """Yield z, as it is by then, with one channel changed."""
    for channel in range(len(z)):
        for step in (-1, -1, -1, 1, 1, 1):
            other = z.copy()
            other[channel] += step
            yield other


def smallest_file(codec: nic.Codec, z: np.ndarray, side: int) -> File:
    """Return a sound file of a square of so many pixels a side."""
    opened = codec.opened(codec.weights[0], "torch")
    model = opened.loaded
    stream, summed = smallest_stream(model.integers, z, -(-side // model.stride))
    quality = 50.0 if opened.info.covers_range else None
    channels = model.picture_channels
    ids = opened.info.entropy_id, opened.info.synthesis_id
    return File(
        Header(side, side, channels, 8, codec.spec.id, "interleaved", *ids, quality, summed & 0xFFFF), (stream,)
    )


def cost(codec: nic.Codec, data: bytes) -> tuple[float, float]:
    """Return the seconds of a processor and the bytes of memory that decoding takes, or finding damage."""
    start = time.process_time()
    with growth() as found, suppress(DamagedFile):
        codec.decode_picture(data)
    return time.process_time() - start, found.bytes


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("megapixels", nargs=-1, type=float)
@click.option("--codec", "identity", default="mini", show_default=True, help="One on the latent engine.")
def main(megapixels: tuple[float, ...], identity: str) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    codec = nic.load(identity, device="cpu")
    z = searched(codec.opened(codec.weights[0], "torch").loaded.integers)
    (short,) = smallest_file(codec, z, 64).units
    cost(codec, pack(smallest_file(codec, z, 64)))  # what is done but once
    heads = ("megapixels", "bytes", "s", "MB", "other checksum: s", "MB", "short stream: s", "MB")
    click.echo(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
    for wanted in megapixels or (1.0, 4.0, 16.0):
        file = smallest_file(codec, z, round((wanted * 1e6) ** 0.5))
        summed = replace(file, header=replace(file.header, checksum=file.header.checksum ^ 1))
        cells = [f"{wanted:g}", f"{len(pack(file))}"]
        for some in (file, summed, replace(file, units=(short,))):
            seconds, memory = cost(codec, pack(some))
            cells += [f"{seconds:.2f}", f"{memory / 1e6:.0f}"]
        click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
