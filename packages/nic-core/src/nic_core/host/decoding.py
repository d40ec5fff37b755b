"""From a file's parts to a picture: whole, a region of it, or at a smaller scale; row by row."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from nic_core.codec import OnDamage
from nic_core.errors import BadOption
from nic_core.format import chunks
from nic_core.format.container import File, Header
from nic_core.format.tiling import Area, Region
from nic_core.host.boundary import Boundary
from nic_core.host.limits import limited
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.scaling import reduced
from nic_core.pictures.strips import Pixels, Strips, cropped


def area_of(region: Region | None, head: Header) -> Area:
    """Return the part of a file's picture that is asked for; BadOption where it lies outside."""
    if region is None:
        return Area(0, 0, head.width, head.height)
    if len(region) != 4 or not all(isinstance(value, (int, np.integer)) for value in region):
        raise BadOption(f"a region is four whole numbers, x, y, width and height, not {region!r:.80}")
    area = Area(*map(int, region))
    area.check_inside(head.width, head.height)
    return area


def decoded(
    codec: Boundary,
    file: File,
    area: Area,
    by: int,
    options: dict[str, Any],
    seconds: float,
    on_damage: OnDamage | None,
) -> RowPicture:
    """Return a part of a file's picture, with sides divided by `by`, whose pixels are decoded when rows are taken.

    options: every decode option, checked. seconds: that decoding may take. on_damage: see `PixelCodec.rows`.
    """
    head = file.header

    def make() -> Iterator[np.ndarray]:
        return limited(codec.rows(file, area, options, on_damage), seconds)

    dtype = np.uint16 if head.bit_depth == 16 else np.uint8
    pixels: Pixels = Strips((area.height, area.width, head.channels), dtype, make)
    alpha = chunks.alpha_of(file)
    part = None if alpha is None else reduced(cropped(alpha, slice(area.y, area.bottom), slice(area.x, area.right)), by)
    return chunks.to_picture(reduced(pixels, by), part, file.chunks)
