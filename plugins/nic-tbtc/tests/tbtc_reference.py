"""The reference checkpoints; see golden/README.md."""

from pathlib import Path

from nic_nn import testing
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
PICTURES = {
    "tbtc-conv-hyperprior": (64, 4),
    "tbtc-conv-charm": (64, 4),
    "tbtc-swint-hyperprior": (256, 5),
    "tbtc-swint-charm": (256, 4),
}
"""By codec, the sides of the square picture and the seed of it and of the weights."""
CODECS = tuple(PICTURES)


def checkpoint(codec: str) -> dict[str, Tensor]:
    """Return the entries of a codec's checkpoint."""
    return testing.checkpoint(GOLDEN / f"{codec}.manifest.json", PICTURES[codec][1])


def reference_picture(codec: str) -> Tensor:
    """Return what the reference values were computed from."""
    side, seed = PICTURES[codec]
    return testing.picture(side, side, seed)
