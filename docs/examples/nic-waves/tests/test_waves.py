"""What every codec must do, of waves; and that it is worth having."""

import io

import nic_core as nic
import numpy as np
import pytest
from nic_core.testing import CodecTests
from nic_waves.tables import EVEN, tables


class TestWaves(CodecTests):
    codec_id = "waves"
    lossless = True
    large = 300_000

    def test_files_are_smaller_than_png(self, codec: nic.Codec) -> None:
        """Of a picture whose channels are alike, as those of photographs are."""
        gray, png = self.picture(200, 300, 1).pixels // 2, io.BytesIO()
        picture = nic.Picture(np.concatenate([gray + 20, gray + 60, gray + 100], 2))
        picture.to_pil().save(png, "PNG", optimize=True)
        assert len(codec.encode(picture)) < len(png.getvalue())

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_noise_costs_little_more_than_its_bits(self, codec: nic.Codec, dtype: type) -> None:
        noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (64, 64, 3), dtype, endpoint=True)
        data = codec.encode(nic.Picture(noise))
        assert np.array_equal(codec.decode_picture(data).pixels, noise)
        assert len(data) < 1.1 * noise.nbytes


def test_rows_fall_from_the_middle() -> None:
    rows = [np.diff(row) for row in tables().rows]
    for row in rows[:EVEN]:
        assert row.argmax() == 128
        assert (np.diff(row[:129]) >= -1).all() and (np.diff(row[128:256]) <= 1).all()
    assert set(rows[EVEN][:256]) <= {255, 256}
