"""FID and KID as the field of compression measures them: over 256-pixel patches of all pictures.

Each picture is cut into whole patches on two grids, the second one shifted by half a patch in both directions (Mentzer
et al., High-Fidelity Generative Image Compression, NeurIPS 2020, appendix).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.utils.data

from nic_eval.metrics.catalogue import PATCH as SIZE
from nic_eval.metrics.metric import KID_SUBSET_SIZE, Load, Metric, quiet

FEWEST = 1000
"""Patches below which FID means nothing."""

KEYS = {"fid": "frechet_inception_distance", "kid": "kernel_inception_distance_mean"}
"""What torch-fidelity calls them."""


def grid(height: int, width: int) -> list[tuple[int, int]]:
    """Return (top, left) of every patch of a picture, those of the first grid before those of the second."""
    return [
        (top, left)
        for start in (0, SIZE // 2)
        for top in range(start, height - SIZE + 1, SIZE)
        for left in range(start, width - SIZE + 1, SIZE)
    ]


def refusal(sizes: Sequence[tuple[int, int]], metric: Metric) -> str:
    """Return why a metric is not measured on pictures of these (height, width), empty where it can be."""
    count, fewest = sum(len(grid(*size)) for size in sizes), metric.subset if metric.of_subsets else FEWEST
    if count >= fewest:
        return ""
    less = " (--kid-subset-size)" if metric.of_subsets else ""
    reason = f"the pictures give {count} patches of {SIZE} pixels, it needs {fewest}{less}"
    return f"{metric.name} is not measured: {reason}"


class Patches(torch.utils.data.Dataset):
    """All patches of pictures that are loaded one at a time; items are uint8 (3, 256, 256).

    pictures: their loaders; sizes: their (height, width).
    """

    def __init__(self, pictures: Sequence[Load], sizes: Sequence[tuple[int, int]]) -> None:
        self.pictures = pictures
        self.places = [(i, *place) for i, size in enumerate(sizes) for place in grid(*size)]
        self._current: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.places)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return one patch; reading in order loads each picture once."""
        picture, top, left = self.places[index]
        if self._current is None or self._current[0] != picture:
            self._current = picture, self.pictures[picture]()
        patch = self._current[1][top : top + SIZE, left : left + SIZE]
        return torch.from_numpy(patch.copy()).permute(2, 0, 1)


def measure(
    names: Sequence[str],
    decoded: Sequence[Load],
    originals: Sequence[Load],
    sizes: Sequence[tuple[int, int]],
    kept: Path,
    kid_subset_size: int = KID_SUBSET_SIZE,
) -> dict[str, float]:
    """Return FID, KID or both of decoded pictures against their originals.

    kept: folder, named after the originals, for what is computed from them alone. `catalogue.inception` comes first: it
    says in one line where the network cannot be had.
    """
    with quiet():
        import torch_fidelity  # an optional dependency

        found = torch_fidelity.calculate_metrics(
            input1=Patches(decoded, sizes),
            input2=Patches(originals, sizes),
            input2_cache_name="originals",
            cache_root=str(kept),
            **dict.fromkeys(names, True),
            kid_subset_size=kid_subset_size,
            cuda=torch.cuda.is_available(),
            save_cpu_ram=True,  # no further processes: pictures are decoded here, one after another
            verbose=False,
        )
    return {name: float(found[KEYS[name]]) for name in names}
