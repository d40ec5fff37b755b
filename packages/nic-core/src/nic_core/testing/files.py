"""What stands in files: little besides the codec's own, and nothing that is believed unchecked."""

from dataclasses import replace

import numpy as np
import pytest

import nic_core as nic
from nic_core.errors import BadOption, DamagedFile, NicError, PluginFault
from nic_core.format.container import CODERS, File, pack, unpack
from nic_core.testing.subject import Subject

LARGEST_HEADER = 28
"""Bytes that plain RGB may cost besides the codec's id, the name of a coder that has no number, and `Coded.params`."""
FLIPPED = 24
"""How many bytes of a unit are changed, one at a time."""


def resealed(data: bytes, units: tuple[bytes, ...] | None = None, **header: object) -> bytes:
    """Return a file with other units or header fields, and the CRC that belongs to them."""
    file = unpack(data)
    changed = replace(file.header, **header)  # type: ignore[arg-type]
    return pack(File(changed, file.units if units is None else units, file.chunks, file.symbols))


class Files(Subject, kit=True):
    """See the module."""

    def test_the_header_is_small(self, codec: nic.Codec) -> None:
        """Plain RGB costs at most 28 bytes besides what the codec itself says."""
        picture = self.picture(40, 50)
        data = self.encode(codec, picture)
        head, units = nic.inspect(data), unpack(data).units
        named = 0 if head.coder in CODERS.values() else 1 + len(head.coder)
        params = len(head.params) + (len(head.params) > 0) + (len(head.params) > 127)
        spent = len(data) - sum(map(len, units)) - len(head.codec) - named - params
        assert spent <= LARGEST_HEADER, f"the file has {spent} bytes of header; {LARGEST_HEADER} are enough"

    def test_symbols_are_checked(self, codec: nic.Codec) -> None:
        """Where the decoded symbols are not those that were coded, nothing is shown."""
        data = self.encode(codec, self.picture(40, 50))
        for bit in (1, 0x8000):
            damaged = resealed(data, checksum=nic.inspect(data).checksum ^ bit)
            with pytest.raises(DamagedFile):
                self.decode(codec, damaged)
                pytest.fail(
                    "a file with another checksum was decoded: compress returns a CRC-32 over the symbols, and "
                    "decompress computes it again: return Decoded(pixels, checksum), and core compares"
                )

    def test_a_damaged_stream_is_noticed(self, codec: nic.Codec) -> None:
        """A changed byte of a unit is refused, or changes nothing; never another picture."""
        data = self.encode(codec, self.picture(40, 50))
        (unit,) = unpack(data).units
        if not unit:
            pytest.skip("the codec's units are empty: all that it codes is in params")
        expected = self.decode(codec, data)
        places = np.unique(np.linspace(0, len(unit) - 1, FLIPPED).astype(int)).tolist()
        others = [unit[:place] + bytes([unit[place] ^ 0x55]) + unit[place + 1 :] for place in places]
        for place, other in zip(("its end", "its beginning", *places), (unit[:-1], unit[1:], *others), strict=True):
            try:
                back = self.decode(codec, resealed(data, (other,)))
            except PluginFault:
                raise
            except NicError:
                continue
            assert np.array_equal(back.pixels, expected.pixels), (
                f"a unit changed at {place} decodes to another picture: the checksum must cover every symbol"
            )

    def test_units_have_one_form(self, codec: nic.Codec) -> None:
        """Bytes behind the end of a unit are no part of it: one picture and two files would be the same."""
        data = self.encode(codec, self.picture(40, 50))
        (unit,) = unpack(data).units
        with pytest.raises(DamagedFile):
            self.decode(codec, resealed(data, (unit + b"more",)))
            pytest.fail("a unit with more bytes behind its end was decoded: compare what is left with nothing")

    def test_files_of_other_codecs_are_refused(self, codec: nic.Codec) -> None:
        """With BadOption, before anything is read."""
        data = resealed(self.encode(codec, self.picture(40, 50)), codec="another")
        with pytest.raises(BadOption):
            self.decode(codec, data)
