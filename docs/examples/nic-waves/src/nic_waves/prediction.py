"""What a sample is expected to be, from the three decoded neighbours that lie above and to the left of it."""

import numpy as np

from nic_waves.waves import Wave

BUSY = np.array([1, 2, 3, 5, 8, 12, 18, 28, 44, 80])
"""Where one level of activity ends and the next begins, in steps of 8-bit samples."""
LEVELS = len(BUSY) + 1


class Samples:
    """The samples of a picture as far as they are known, in a frame that stands for what lies outside of it.

    known: int32 (C, H + 1, W + 1); the first row and the first column are the frame.
    bits: of a sample.
    """

    def __init__(self, channels: int, height: int, width: int, bits: int) -> None:
        self.known = np.full((channels, height + 1, width + 1), 1 << (bits - 1), np.int32)
        self.bits = bits

    def put(self, wave: Wave, samples: np.ndarray) -> None:
        """Learn the samples (C, K) of an antidiagonal."""
        rows, columns = wave
        self.known[:, rows + 1, columns + 1] = samples

    def expected(self, wave: Wave) -> tuple[np.ndarray, np.ndarray]:
        """Return what the samples of an antidiagonal are expected to be, and the levels of activity there, (C, K).

        The prediction is LOCO-I's: the upper or the left neighbour where there is an edge, otherwise the plane through
        all three.
        """
        rows, columns = wave
        left, above = self.known[:, rows + 1, columns], self.known[:, rows, columns + 1]
        corner = self.known[:, rows, columns]
        low, high = np.minimum(left, above), np.maximum(left, above)
        predicted = np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))
        activity = (np.abs(above - corner) + np.abs(left - corner)) >> (self.bits - 8)
        return predicted, np.searchsorted(BUSY, activity, "right").astype(np.int32)
