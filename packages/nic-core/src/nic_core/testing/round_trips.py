"""Any picture becomes a file, and the file a picture of the same kind."""

import numpy as np
import pytest

import nic_core as nic
from nic_core.errors import BadPicture
from nic_core.pictures.picture import Picture
from nic_core.testing.subject import Subject, distance, opened, record_of

KINDS = {
    "one pixel": (1, 1, 3, np.uint8, False),
    "odd sides": (37, 53, 3, np.uint8, False),
    "one column": (70, 1, 3, np.uint8, False),
    "whole strides": (64, 128, 3, np.uint8, False),
    "gray": (35, 66, 1, np.uint8, False),
    "alpha": (20, 33, 3, np.uint8, True),
    "16 bits": (33, 20, 3, np.uint16, False),
    "gray in 16 bits with alpha": (31, 17, 1, np.uint16, True),
}
"""Height, width, channels, type and alpha by name."""
LARGE = 2_000_000
"""Pixels of the large picture."""


class RoundTrips(Subject, kit=True):
    """See the module."""

    @pytest.mark.parametrize("kind", list(KINDS))
    def test_any_picture_comes_back(self, codec: nic.Codec, kind: str) -> None:
        """Size, channels, depth and alpha are kept, and the same picture always gives the same file and pixels."""
        picture = self.picture(*KINDS[kind])
        data = self.encode(codec, picture)
        back = self.decode(codec, data)
        self.check_kind(picture, data, back)
        assert self.encode(codec, picture) == data, "the same picture gives another file: seed what is random"
        again = self.decode(codec, data)
        assert np.array_equal(again.pixels, back.pixels), "the same file gives other pixels: seed what is random"

    def check_kind(self, picture: Picture, data: bytes, back: Picture) -> None:
        """Check that a file and what it decodes to are of a picture's kind, and its pixels of a lossless codec."""
        head = nic.inspect(data)
        facts = (head.width, head.height, head.channels, head.bit_depth)
        wanted = (picture.width, picture.height, picture.channels, picture.bit_depth)
        assert facts == wanted, f"the file says width, height, channels, bits {facts} instead of {wanted}"
        assert back.pixels.shape == picture.pixels.shape, f"decoded are {back.pixels.shape}: crop what was padded"
        if back.alpha is None or picture.alpha is None:
            assert back.alpha is picture.alpha, "alpha is lost or invented"
        else:
            assert np.array_equal(back.alpha, picture.alpha), "alpha is kept losslessly by core; it came back changed"
        if self.lossless:
            assert np.array_equal(back.pixels, picture.pixels), (
                f"pixels differ by up to {distance(back, picture):g} levels; a codec that is not lossless leaves "
                "`lossless` out of its test class"
            )

    def test_small_pictures_are_refused_where_they_must_be(self, codec: nic.Codec) -> None:
        """A codec that takes no small pictures says so, rather than to break."""
        if self.smallest == 1:
            pytest.skip("the codec takes pictures of any size")
        with pytest.raises(BadPicture):
            codec.encode(np.zeros((self.smallest - 1, 2 * self.smallest, 3), np.uint8), **self.encode_options)

    def test_a_large_picture_comes_back(self, codec: nic.Codec) -> None:
        """Above the codec's tile it is coded in tiles, and a region of it is what the whole has there."""
        tile = opened(codec).tile
        pixels = self.large or LARGE
        height = round((pixels / 1.5) ** 0.5)
        picture = self.picture(height, -(-pixels // height))
        data = self.encode(codec, picture)
        whole = self.decode(codec, data)
        self.check_kind(picture, data, whole)
        if tile and picture.height * picture.width > tile**2:
            assert nic.inspect(data).tiling, f"more pixels than {tile} x {tile} must be coded in tiles"
        self.check_region(codec, data, whole)

    def test_tiles(self, codec: nic.Codec) -> None:
        """Small tiles too: each is coded for itself."""
        step = opened(codec).tile_step
        if not opened(codec).tile:
            pytest.skip("the codec has no tiles (PixelCodec.tile)")
        picture = self.picture(step + 37, 2 * step + 3, alpha=True)
        data = self.encode(codec, picture, tile=step)
        assert nic.inspect(data).tiling, f"tile={step} was asked for, and the file has no tiles"
        whole = self.decode(codec, data)
        self.check_kind(picture, data, whole)
        self.check_region(codec, data, whole)

    def check_region(self, codec: nic.Codec, data: bytes, whole: Picture) -> None:
        """Check that a region decoded alone is what the whole has there."""
        x, y = whole.width // 3, whole.height // 2
        width, height = min(64, whole.width - x), min(48, whole.height - y)
        part = self.decode(codec, data, region=(x, y, width, height))
        there = Picture(whole.pixels[y : y + height, x : x + width])
        assert part.pixels.shape == there.pixels.shape, "a region has another size than was asked for"
        assert distance(part, there) <= 1, (
            f"a region differs by {distance(part, there):g} levels from the same part of the whole: is its halo large "
            "enough (reach)?"
        )

    def test_qualities(self, codec: nic.Codec) -> None:
        """Weights that cover a range take any quality of it, and the file says which."""
        info = record_of(codec)
        if not info.covers_range:
            pytest.skip("the weights have a single rate")
        picture = self.picture(40, 50)
        for quality in (*info.quality, 50.25):  # type: ignore[misc]
            data = self.encode(codec, picture, quality=quality)
            said = nic.inspect(data).quality
            assert said is not None and abs(said - quality) <= 0.01, f"quality {quality:g} gives a file of {said}"
            self.decode(codec, data)
