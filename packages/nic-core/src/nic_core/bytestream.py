"""Numbers and text in a run of bytes, read without ever leaving it."""

from nic_core.errors import DamagedFile


def varint(number: int) -> bytes:
    """Return a number in LEB128: seven bits a byte, lowest first, the top bit set on all but the last."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


class Reader:
    """Takes values from a range of bytes and refuses to leave it: DamagedFile."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data, self._at, self._end = data, start, len(data) if end is None else end

    @property
    def at(self) -> int:
        """Where the next value begins."""
        return self._at

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self._end - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > self.left:
            raise DamagedFile(f"the file ends {count - self.left} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def text(self) -> str:
        """Return printable ASCII behind its length in one byte."""
        raw = self.take(self.take(1)[0])
        if not raw.isascii() or not raw.decode("ascii").isprintable():
            raise DamagedFile("a name in the file is not plain text")
        return raw.decode("ascii")

    def varint(self) -> int:
        """Return a number as `varint` writes it, of at most 5 bytes."""
        number = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise DamagedFile("a length in the file has too many digits")
