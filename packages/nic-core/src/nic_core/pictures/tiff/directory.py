"""The directories of a TIFF file: a page's tags, and where their values are."""

import struct
from dataclasses import dataclass

from nic_core.errors import BadPicture
from nic_core.pictures.content import Content

_MOST_TAGS = 4096
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # types of tags that are whole numbers
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Of a value of each type."""


@dataclass(frozen=True)
class Form:
    """How a file writes numbers. order: "<" or ">". big: whether places take 64 bits."""

    order: str
    big: bool

    @property
    def place(self) -> str:
        """The form of a place in the file, and of how many values a tag has."""
        return "Q" if self.big else "I"

    @property
    def count(self) -> str:
        """The form of how many tags a directory has."""
        return "Q" if self.big else "H"

    @property
    def room(self) -> int:
        """Bytes of an entry for its values or where they are."""
        return 8 if self.big else 4

    @property
    def entry(self) -> int:
        """Bytes of an entry."""
        return 4 + 2 * self.room

    def pack(self, form: str, *numbers: int) -> bytes:
        """Return numbers as the file has them."""
        return struct.pack(self.order + form, *numbers)


class Directories:
    """Directories of tags, one a page, in the byte order and the size of offsets that the file's head states."""

    def __init__(self, data: Content) -> None:
        self.data, head = data, data[:4]
        self.form = Form("<" if head[:2] == b"II" else ">", head[2:] in (b"+\0", b"\0+"))
        (self.first,) = self.take(self.form.place, self.form.room)

    def take(self, form: str, at: int) -> tuple[int, ...]:
        """Return whole numbers from a place in the file; BadPicture where they are beyond its end."""
        form = self.form.order + form
        end = at + struct.calcsize(form)
        if end > len(self.data):
            raise BadPicture("the file is cut short")
        return struct.unpack(form, self.data[at:end])

    def _entries(self, position: int) -> range:
        """Return where a directory's entries are."""
        (count,) = self.take(self.form.count, position)
        if not 0 < count <= _MOST_TAGS:
            raise BadPicture(f"the file is damaged: it has a directory of {count} tags")
        start, length = position + struct.calcsize("=" + self.form.count), self.form.entry
        return range(start, start + count * length, length)

    def following(self, position: int) -> int:
        """Return where the directory after one is, 0 for nowhere."""
        return self.take(self.form.place, self._entries(position).stop)[0]

    def tags(self) -> "Tags":
        """Return the tags of the first page."""
        places: dict[int, tuple[int, int, int]] = {}
        repeated = set()
        for at in self._entries(self.first):
            tag, kind, count = self.take("HH" + self.form.place, at)
            value = at + 4 + self.form.room
            if BYTES.get(kind, 8) * count > self.form.room:
                (value,) = self.take(self.form.place, value)
            if tag in places:
                repeated.add(tag)
            places.setdefault(tag, (kind, count, value))
        return Tags(self, places, repeated)


@dataclass(frozen=True)
class Tags:
    """A page's tags. places: (type, how many values, where they are) by tag. repeated: those that are there twice."""

    file: Directories
    places: dict[int, tuple[int, int, int]]
    repeated: set[int]

    def __contains__(self, tag: int) -> bool:
        """Return whether a tag is there."""
        return tag in self.places

    def length(self, tag: int) -> int:
        """Return how many bytes the values of a tag take."""
        kind, count, _ = self.places[tag]
        return BYTES.get(kind, 8) * count

    def stored(self, tag: int) -> bytes:
        """Return all values of a tag as the file has them; BadPicture where it ends before."""
        length, at = self.length(tag), self.places[tag][2]
        data = self.file.data[at : at + length]
        if len(data) < length:
            raise BadPicture("the file is cut short")
        return data

    def numbers(self, tag: int, most: int) -> tuple[int, ...]:
        """Return the first values of a tag, empty where it is not there; BadPicture where they are no whole numbers."""
        if tag not in self.places:
            return ()
        kind, count, at = self.places[tag]
        if kind not in _NUMBERS or not count:
            raise BadPicture(f"the file is damaged: its tag {tag} has no value of its type")
        return self.file.take(f"{min(count, most)}{_NUMBERS[kind]}", at)

    def number(self, tag: int, default: int) -> int:
        """Return the one value of a tag, or the first."""
        return (self.numbers(tag, 1) or (default,))[0]
