"""The rate that a codec expects is the one that it codes at."""

import pytest

import nic_core as nic
from nic_core.format.container import unpack
from nic_core.testing.subject import Subject

ROOM = 64
"""Bytes that a stream may have beside its symbols, for the coder's states."""


class Rates(Subject, kit=True):
    """See the module."""

    def test_the_coded_rate_is_the_estimated_one(self, codec: nic.Codec) -> None:
        """Within two percent, and some bytes for the coder."""
        picture = self.picture(128, 192)
        if (bits := self.estimated_bits(codec, picture)) is None:
            pytest.skip("the codec makes no estimate (estimated_bits)")
        coded = sum(map(len, unpack(self.encode(codec, picture)).units))
        assert abs(coded - bits / 8) <= 0.02 * bits / 8 + ROOM, (
            f"{bits / 8:.0f} bytes were estimated, {coded} are coded: do training and coding see the same parameters?"
        )
