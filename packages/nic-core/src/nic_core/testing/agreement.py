"""What is computed in two ways comes out as one: by two runtimes, and as an estimate and in bytes."""

from importlib.util import find_spec

import pytest

import nic_core as nic
from nic_core.format.container import unpack
from nic_core.host.cache import Cache
from nic_core.host.runtimes import has_graphs
from nic_core.testing.subject import Subject, distance, opened

RUNTIMES = {"torch": "torch", "onnx": "onnxruntime"}
"""The packages that runtimes need."""
ROOM = 64
"""Bytes that a stream may have beside its symbols, for the coder's states."""


class Agreement(Subject, kit=True):
    """See the module."""

    def test_runtimes_agree(self, codec: nic.Codec) -> None:
        """In symbols, which the checksum of a file is over, and in pixels within one level of 255."""
        if not self.spec.graphs:
            pytest.skip("the codec has one runtime (CodecSpec.graphs)")
        if missing := [package for package in RUNTIMES.values() if not find_spec(package)]:
            pytest.skip(f"{missing[0]} is not installed")
        path = opened(codec).path
        if not has_graphs(path):
            pytest.skip(f"{path.name} holds no graphs")
        by = {name: nic.load(self.codec_id, path, "cpu", name, Cache(1)) for name in RUNTIMES}  # type: ignore[arg-type]
        for size in ((64, 96), (130, 67)):
            picture = self.picture(*size)
            files = {name: self.encode(each, picture) for name, each in by.items()}
            for writer, data in files.items():
                back = {name: self.decode(each, data) for name, each in by.items()}
                assert distance(*back.values()) <= 1, (
                    f"what {writer} wrote decodes to pixels {distance(*back.values()):g} levels apart: the graphs "
                    "must compute what the modules do"
                )
            sizes = [len(data) for data in files.values()]
            assert max(sizes) - min(sizes) <= 0.01 * max(sizes) + 8, (
                f"the runtimes' files of one picture have {sizes} bytes: their latents differ by more than rounding"
            )

    def test_the_coded_rate_is_the_estimated_one(self, codec: nic.Codec) -> None:
        """Within two percent, and some bytes for the coder."""
        picture = self.picture(128, 192)
        if (bits := self.estimated_bits(codec, picture)) is None:
            pytest.skip("the codec makes no estimate (estimated_bits)")
        coded = sum(map(len, unpack(self.encode(codec, picture)).units))
        assert abs(coded - bits / 8) <= 0.02 * bits / 8 + ROOM, (
            f"{bits / 8:.0f} bytes were estimated, {coded} are coded: do training and coding see the same parameters?"
        )
