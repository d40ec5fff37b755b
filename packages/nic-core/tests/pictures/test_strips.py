import numpy as np
import pytest
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.strips import Strips, bands

WHOLE = np.arange(20 * 3 * 3, dtype=np.uint8).reshape(20, 3, 3)


class Counted(Strips):
    def __init__(self, whole: np.ndarray, heights: tuple[int, ...]) -> None:
        self.starts = 0

        def make():
            self.starts += 1
            first = 0
            for height in heights:
                yield whole[first : first + height]
                first += height

        super().__init__(whole.shape, whole.dtype, make)


@pytest.mark.parametrize("heights", [(20,), (1,) * 20, (7, 7, 6), (3, 16, 1)])
def test_slices_are_those_of_the_whole(heights):
    strips = Counted(WHOLE, heights)
    for first, end in [(0, 5), (3, 9), (3, 4), (7, 7), (8, 20), (20, 25)]:
        assert np.array_equal(strips[first:end], WHOLE[first:end])
    assert strips.starts == 1


def test_rows_that_went_by_are_made_again():
    strips = Counted(WHOLE, (7, 7, 6))
    assert np.array_equal(strips[10:12], WHOLE[10:12])
    assert np.array_equal(strips[2:12], WHOLE[2:12])
    assert strips.starts == 2
    assert np.array_equal(np.asarray(strips), WHOLE)
    assert [first for first, _ in bands(strips)] == [0, 7, 14]
    assert [len(part) for _, part in bands(strips, 8)] == [8, 8, 4]


def test_too_few_rows_are_an_error():
    with pytest.raises(ValueError, match="ends after 7 of 20"):
        Counted(WHOLE, (7,))[5:9]


def test_pictures_of_strips_are_like_those_of_arrays():
    whole = Picture(WHOLE.astype(np.uint16) * 257, WHOLE[..., 0].astype(np.uint16))
    strips = RowPicture(Counted(whole.pixels, (7, 7, 6)), Counted(whole.alpha, (20,)))
    assert (strips.height, strips.width, strips.channels, strips.bit_depth) == (20, 3, 3, 16)
    for change in (RowPicture.to_8_bit, RowPicture.to_gray, RowPicture.whole):
        made, wanted = change(strips).whole().to_array(), change(whole).to_array()
        assert made.dtype == wanted.dtype and np.array_equal(made, wanted)
    assert isinstance(strips.to_gray().pixels, Strips)
    assert np.array_equal(strips.rows(4, 9), whole.rows(4, 9))
