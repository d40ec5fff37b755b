"""Whatever a test here reads is read by rows, too, which must give the same."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from nic_core import progress
from nic_core.errors import BadPicture
from nic_core.pictures import image_files, ppm, strips
from nic_core.pictures.picture import Picture
from nic_core.pictures.png import filters as png_filters
from nic_core.pictures.tiff import pieces as tiff_pieces


def by_rows(path: Path, patch: pytest.MonkeyPatch, max_pixels: int | None = None) -> Picture:
    """Return what `open_rows` gives of a file of any size, in bands of a few rows."""
    with patch.context() as small:
        small.setattr(image_files, "LARGE", 0)
        small.setattr(png_filters, "_BAND", 300)
        for module in (strips, ppm, tiff_pieces):
            small.setattr(module, "BAND", 200)
        with progress.listening(progress.Listener(lambda *step: None, lambda fact: None)):  # heard once already
            return image_files.open_rows(path, max_pixels).whole()


@pytest.fixture(autouse=True)
def both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have `read_bytes` compare what it reads with what `open_rows` reads; not where memory is measured."""
    read, path = image_files.read_bytes, tmp_path_factory.mktemp("rows") / "picture"

    def compare(data: bytes, name: str = "standard input", max_pixels: int | None = None) -> Picture:
        if tracemalloc.is_tracing():
            return read(data, name, max_pixels)
        path.write_bytes(data)
        try:
            whole = read(data, name, max_pixels)
        except BadPicture:
            with pytest.raises(BadPicture) as caught:
                by_rows(path, monkeypatch, max_pixels)
            assert str(caught.value).startswith(f"{path}: ")
            assert "\n" not in str(caught.value)
            raise
        rows = by_rows(path, monkeypatch, max_pixels)
        for name in ("pixels", "alpha"):
            made, wanted = getattr(rows, name), getattr(whole, name)
            assert (made is None) == (wanted is None)
            if wanted is not None:
                assert made.dtype == wanted.dtype
                np.testing.assert_array_equal(made, wanted)
        assert (rows.icc, rows.exif, rows.xmp, rows.dpi) == (whole.icc, whole.exif, whole.xmp, whole.dpi)
        return whole

    monkeypatch.setattr(image_files, "read_bytes", compare)
