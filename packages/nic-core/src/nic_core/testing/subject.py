"""The codec that is tested: what its author says of it, and its opened form."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import nic_core as nic
from nic_core import plugins
from nic_core.codec import PixelCodec
from nic_core.host.cache import Cache
from nic_core.pictures.picture import Picture
from nic_core.spec import CodecSpec
from nic_core.testing.inheriting import Kit
from nic_core.testing.pictures import smooth
from nic_core.weights import WeightsInfo


class Subject(Kit, kit=True):
    """What tests know of a codec; all but the id has a default.

    codec_id: as in its `CodecSpec`.
    encode_options, decode_options: given to it in all tests.
    lossless: whether it gives back the very pixels.
    smallest: the shortest side of pictures that it takes; smaller ones must be refused with BadPicture.
    large: pixels of the large picture; 0 for two million.
    patience: seconds that a damaged file may take to be refused, beside those of a sound one.
    """

    codec_id: ClassVar[str]
    encode_options: ClassVar[dict[str, Any]] = {}
    decode_options: ClassVar[dict[str, Any]] = {}
    lossless: ClassVar[bool] = False
    smallest: ClassVar[int] = 1
    large: ClassVar[int] = 0
    patience: ClassVar[float] = 10.0

    @classmethod
    def make_weights(cls, folder: Path) -> Path | None:
        """Return a weights file to test with, which may be made in a folder; None for the installed weights."""
        return None

    @classmethod
    def surroundings(cls, folder: Path) -> contextlib.AbstractContextManager[Any]:
        """Return what must hold while the class is tested, such as variables of the environment."""
        return contextlib.nullcontext()

    @classmethod
    def estimated_bits(cls, codec: nic.Codec, picture: Picture) -> float | None:
        """Return how many bits a codec expects a picture to take; None where it makes no estimate."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        """A folder of the class, within its surroundings."""
        made = tmp_path_factory.mktemp(cls.codec_id)
        with cls.surroundings(made):
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, folder: Path) -> Path | None:
        """The weights file to test with, None for the installed ones."""
        return cls.make_weights(folder)

    @pytest.fixture(scope="class")
    @classmethod
    def codec(cls, weights: Path | None) -> Iterator[nic.Codec]:
        """The codec on the CPU, loaded once for all tests of a class."""
        with nic.load(cls.codec_id, weights, device="cpu", cache=Cache(1 << 40)) as codec:
            yield codec

    @property
    def spec(self) -> CodecSpec:
        """The codec's record."""
        return plugins.codec_spec(self.codec_id)

    def picture(
        self, height: int, width: int, channels: int = 3, dtype: type = np.uint8, alpha: bool = False
    ) -> Picture:
        """Return a picture with at least the shortest sides that the codec takes; in gray where it codes gray only."""
        made = smooth(max(height, self.smallest), max(width, self.smallest), channels, dtype, alpha)
        return made.to_gray() if self.spec.gray else made

    def encode(self, codec: nic.Codec, picture: Picture, **more: Any) -> bytes:
        """Return a picture's file."""
        return codec.encode(picture, **{**self.encode_options, **more})

    def decode(self, codec: nic.Codec, data: bytes, **more: Any) -> Picture:
        """Return a file's picture."""
        return codec.decode_picture(data, **{**self.decode_options, **more})


def opened(codec: nic.Codec) -> PixelCodec:
    """Return the plugin's own codec, with the weights that are taken where no quality is asked for."""
    return codec.opened(codec.weights[0])


def record_of(codec: nic.Codec) -> WeightsInfo:
    """Return the record of these weights."""
    return opened(codec).info


def distance(first: Picture, second: Picture) -> float:
    """Return the largest difference of two pictures' pixels in levels of 255."""
    level = 1 if first.bit_depth == 8 else 257
    return float(np.abs(first.pixels.astype(np.int64) - second.pixels.astype(np.int64)).max() / level)
