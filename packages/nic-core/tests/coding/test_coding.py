"""Entropy tables: what is refused, since a damaged table would corrupt silently."""

import numpy as np
import pytest
from nic_core.coding import Tables

CDF = np.array([[0, 10, 65536, 0], [0, 1, 2, 65536]])


def test_tables_become_int32_and_lists() -> None:
    tables = Tables(CDF.astype(np.int64), [3, 4], [-1, 0])
    assert all(array.dtype == np.int32 for array in (tables.cdf, tables.length, tables.offset))
    assert tables.as_lists == ([[0, 10, 65536], [0, 1, 2, 65536]], [3, 4], [-1, 0])


@pytest.mark.parametrize(
    ("cdf", "length", "offset", "says"),
    [
        (CDF, [3], [0, 0], "lengths and offsets"),
        (CDF, [3, 4], [0], "lengths and offsets"),
        (CDF[0], [3, 4, 4, 4], [0] * 4, "lengths and offsets"),
        (CDF, [2, 4], [0, 0], "between 3 and L"),
        (CDF, [3, 5], [0, 0], "between 3 and L"),
        (CDF[:0], [], [], "between 3 and L"),
        (CDF, [4, 4], [0, 0], "rise strictly"),
        (CDF + 1, [3, 4], [0, 0], "rise strictly"),
        (CDF - 1, [3, 4], [0, 0], "rise strictly"),
        ([[0, 7, 7, 65536]], [4], [0], "rise strictly"),
        ([[0, 9, 7, 65536]], [4], [0], "rise strictly"),
        (CDF, [3, 4], [0, 1 << 28], "may start further than 16777216 from zero"),
        (CDF, [3, 4], [0, -(1 << 24) - 1], "may start further than 16777216 from zero"),
        (CDF, [3, 4], [0, 1 << 40], "the offset of tables must be integers of 32 bits"),
        (CDF, [3, 4], [0.0, 1.0], "the offset of tables must be integers of 32 bits"),
        (CDF, [True, True], [0, 1], "the length of tables must be integers of 32 bits"),
    ],
)
def test_contradictions_are_refused(cdf: object, length: list, offset: list, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Tables(np.asarray(cdf), np.asarray(length), np.asarray(offset))
