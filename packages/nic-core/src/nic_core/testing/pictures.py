"""Pictures to test with: the same on every machine."""

import numpy as np

from nic_core.pictures.picture import Picture


def smooth(height: int, width: int, channels: int = 3, dtype: type = np.uint8, alpha: bool = False) -> Picture:
    """Return a picture with slopes, rings and a little noise; alpha: with an opacity that rises to the right."""
    row, column = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(row - height / 3, column - width / 2)
    noise = np.random.default_rng(height * width).normal(0, 0.02, (height, width, channels))
    rings = [0.5 + 0.3 * np.cos(distance / (5 + 2 * phase) + phase) for phase in range(channels)]
    values = np.stack(rings, -1) + 0.2 * (column / width - 0.5)[..., None] + noise
    opacity = np.round(column / width * np.iinfo(dtype).max).astype(dtype) if alpha else None
    return Picture(np.round(values.clip(0, 1) * np.iinfo(dtype).max).astype(dtype), opacity)
