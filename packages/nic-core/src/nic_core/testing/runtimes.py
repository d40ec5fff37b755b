"""Where a codec has two runtimes, each reads what the other writes."""

from importlib.util import find_spec
from pathlib import Path

import pytest

import nic_core as nic
from nic_core.host.cache import Cache
from nic_core.host.runtimes import has_graphs
from nic_core.testing.subject import Subject, distance, opened

RUNTIMES = {"torch": "torch", "onnx": "onnxruntime"}
"""The packages that runtimes need."""


class Runtimes(Subject, kit=True):
    """See the module."""

    def test_runtimes_agree(self, codec: nic.Codec, weights: Path | None) -> None:
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
