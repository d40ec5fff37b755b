"""How a picture is divided into tiles, and the rectangles of it that are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from nic_core.errors import BadOption

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels, x and y from the top left of the picture as it lies in the file."""


@dataclass(frozen=True)
class Area:
    """A rectangle of a picture, in pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        """Return size and place."""
        return f"{self.width} x {self.height} pixels at {self.x}, {self.y}"

    @property
    def right(self) -> int:
        """The column behind its last one."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The row behind its last one."""
        return self.y + self.height

    def meets(self, other: "Area") -> bool:
        """Whether they have a pixel in common."""
        return max(self.x, other.x) < min(self.right, other.right) and max(self.y, other.y) < min(
            self.bottom, other.bottom
        )

    def within(self, other: "Area") -> "Area":
        """Return what of it lies inside another one, which it must meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Area(x, y, min(self.right, other.right) - x, min(self.bottom, other.bottom) - y)

    def grown(self, pixels: int) -> "Area":
        """Return it with so much more on every side, which may lie outside the picture."""
        return Area(self.x - pixels, self.y - pixels, self.width + 2 * pixels, self.height + 2 * pixels)

    def moved(self, right: int, down: int) -> "Area":
        """Return it so many pixels further."""
        return Area(self.x + right, self.y + down, self.width, self.height)

    def check_inside(self, width: int, height: int) -> None:
        """Raise BadOption where it is no part of a picture of a size, or empty."""
        if self.width < 1 or self.height < 1:
            raise BadOption(f"a region has at least one pixel, not {self.width} x {self.height}")
        if self.x < 0 or self.y < 0 or self.right > width or self.bottom > height:
            raise BadOption(f"the region {self} lies outside the picture, which has {width} x {height} pixels")


@dataclass(frozen=True)
class Tiling:
    """How the units divide the picture: tiles in rows from the top left, each with the same number of streams.

    width, height: of a tile in pixels, the last column and row being what is left.
    streams: units of each tile, in the codec's own order.
    """

    width: int
    height: int
    streams: int = 1

    @classmethod
    def of(cls, width: int, height: int, largest: int, step: int) -> "Tiling":
        """Return tiles of about equal size for a picture: sides of at most `largest`, multiples of `step`, as it is."""
        sides = (-(-side // (-(-side // largest) * step)) * step for side in (width, height))
        return cls(*sides)

    def columns(self, width: int) -> int:
        """Return how many tiles lie side by side in a picture of that width."""
        return -(-width // self.width)

    def rows(self, height: int) -> int:
        """Return how many tiles lie one below the other in a picture of that height."""
        return -(-height // self.height)

    def unit_count(self, width: int, height: int) -> int:
        """Return how many units a picture of that size has."""
        return self.columns(width) * self.rows(height) * self.streams

    def areas(self, width: int, height: int) -> Iterator[Area]:
        """Yield the tiles of a picture of that size, in the order of their units."""
        picture = Area(0, 0, width, height)
        for y in range(0, height, self.height):
            for x in range(0, width, self.width):
                yield Area(x, y, self.width, self.height).within(picture)
