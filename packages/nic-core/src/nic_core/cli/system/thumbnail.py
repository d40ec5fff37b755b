"""`nic thumbnail`: what file managers call for a preview."""

import io
from pathlib import Path

import click

from nic_core import api
from nic_core.cli.output import read, write
from nic_core.errors import NicError
from nic_core.pictures.scaling import SCALES

PATIENCE = 30.0
"""Seconds that decoding may take: file managers ask for previews of whatever lies in a folder."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("size", type=click.IntRange(1, 4096), default=256)
def thumbnail(file: Path, output: Path, size: int) -> None:
    """Write a PNG of at most SIZE x SIZE pixels (256) of a .nic file, upright, in 8 bits.

    \b
    nic thumbnail photo.nic photo.png 256

    OUTPUT is replaced, as file managers want it: they make the file first and then ask for its content. Only as much is
    decoded as the size needs. `nic desktop install` has file managers call this.
    """
    data = read(file)
    try:
        head = api.inspect(data)
        divisor = divisor_for(head.width, head.height, size)
        picture = api.decode_picture(data, scale=1 / divisor, max_seconds=PATIENCE)
    except NicError as error:
        raise type(error)(f"{file}: {error}") from error
    image = picture.to_8_bit().upright().to_pil()
    image.thumbnail((size, size))
    small = io.BytesIO()
    image.save(small, "PNG", icc_profile=picture.icc)
    write(output, small.getvalue(), replace=True)


def divisor_for(width: int, height: int, size: int) -> int:
    """Return by how much sides can be divided in decoding so that the longer one is still no less than a size."""
    fitting = [divisor for divisor in SCALES.values() if -(-max(width, height) // divisor) >= size]
    return max(fitting, default=1)
