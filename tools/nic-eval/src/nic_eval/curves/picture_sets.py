"""The sets of pictures that curves are published for, and how to tell whether a report is of one."""

from collections.abc import Iterable
from dataclasses import dataclass

from nic_eval.results import Original


@dataclass(frozen=True)
class PictureSet:
    """Pictures that everybody measures on.

    title: what they are, in words. count: how many. names: of some or all, without suffix, by which they are known.
    sides: of each picture, longer or shorter; none where they differ.
    """

    title: str
    count: int
    names: frozenset[str] = frozenset()
    sides: frozenset[int] = frozenset()

    def holds(self, pictures: Iterable[Original]) -> bool:
        """Tell whether these are the pictures, and all of them, by their number, names and sizes."""
        names, sides = set(), set()
        for picture in pictures:
            names.add(picture.name.rpartition("/")[2].partition(".")[0])
            sides.add(frozenset((picture.width, picture.height)))
        return len(names) == self.count and self.names <= names and (not self.sides or sides == {self.sides})


KODAK = PictureSet(
    "the 24 Kodak pictures", 24, frozenset(f"kodim{number:02}" for number in range(1, 25)), frozenset((768, 512))
)
SETS = {
    "kodak": KODAK,
    "clic-professional": PictureSet(
        "the 41 pictures of CLIC's professional validation set", 41, frozenset(("alberto-montalesi-176097", "zugr-108"))
    ),
    "tecnick": PictureSet("the 100 Tecnick pictures of 1200 x 1200", 100, sides=frozenset((1200,))),
}
"""By the name of the file in this folder that holds what is published for them."""
