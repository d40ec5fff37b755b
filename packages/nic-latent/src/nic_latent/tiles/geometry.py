"""Where the tiles of a file lie, and in which parts its picture is synthesised; docs/format.md states it in prose."""

from dataclasses import dataclass

from nic_core.errors import DamagedFile, PluginFault
from nic_core.format.container import Header
from nic_core.format.tiling import Area, Tiling

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Reach:
    """What the transforms of a codec need around a pixel.

    halo: pixels around a tile that they see, a multiple of the model's stride.
    local: whether nothing beyond the halo matters to a pixel, so that any part of a tile can be synthesised alone.
    """

    halo: int
    local: bool = False


def check_sizes(whose: str, picture: Size, y: Size, z: Size, y_stride: int, stride: int) -> None:
    """Raise PluginFault where latents are not as much smaller than a picture as a model or a codec says.

    whose: strides they are, "the model", in words. picture, y, z: heights and widths, the picture's with padding.
    """
    for latent, found, name, by in (("y", y, "y_stride", y_stride), ("z", z, "stride", stride)):
        wanted = picture[0] // by, picture[1] // by
        if found != wanted:
            size, smaller = "{1} x {0}".format(*picture), "{:g} and {:g}".format(*_ratios(picture, found))
            raise PluginFault(
                f"{whose} has {name} = {by}, but its {latent} of {size} pixels is {found[1]} x {found[0]} instead of "
                f"{wanted[1]} x {wanted[0]}: set {name} to how many times smaller {latent} is, here {smaller}"
            )


def _ratios(picture: Size, latent: Size) -> tuple[float, float]:
    return picture[1] / max(latent[1], 1), picture[0] / max(latent[0], 1)


@dataclass(frozen=True)
class Geometry:
    """The parts of one picture, all in pixels.

    padded: the picture, padded to whole strides. tiles: what the units are of, in their order, padding included.
    blocks: what is synthesised at a time, from the top left, in rows.
    """

    padded: Area
    tiles: tuple[Area, ...]
    blocks: tuple[Area, ...]
    stride: int
    reach: Reach

    @classmethod
    def of(cls, head: Header, largest: int, stride: int, reach: Reach) -> "Geometry":
        """Return that of a file; DamagedFile where its tiles are none of a latent.

        largest: the longest side of a block, of which small tiles make one together.
        """
        width, height = (side + -side % stride for side in (head.width, head.height))
        coded = head.tiling or Tiling(width, height)
        if coded.streams != 1 or coded.width % stride or coded.height % stride:
            raise DamagedFile(
                f"the file claims tiles of {coded.width} x {coded.height} pixels in {coded.streams} streams; tiles of "
                f"this codec have one, and sides that are multiples of {stride}"
            )

        def side(tile: int) -> int:
            return tile * (largest // tile) if tile <= largest else largest if reach.local else tile

        blocks = Tiling(side(coded.width), side(coded.height))
        return cls(
            Area(0, 0, width, height),
            tuple(coded.areas(width, height)),
            tuple(blocks.areas(head.width, head.height)),
            stride,
            reach,
        )

    def target(self, block: Area, area: Area) -> Area:
        """Return what of a block has to be synthesised to have its part of an area."""
        return block.within(area) if self.reach.local else block

    def seen(self, target: Area) -> Area:
        """Return what the synthesis of a target sees: whole strides, and the halo."""
        left, top = (place // self.stride * self.stride for place in (target.x, target.y))
        right, bottom = (-(-place // self.stride) * self.stride for place in (target.right, target.bottom))
        return Area(left, top, right - left, bottom - top).grown(self.reach.halo).within(self.padded)
