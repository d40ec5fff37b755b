"""The reference checkpoints; see golden/README.md."""

from pathlib import Path

from nic_nn import testing
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
CODECS = ("tbtc-conv-hyperprior", "tbtc-conv-charm", "tbtc-swint-hyperprior", "tbtc-swint-charm")


def checkpoint(codec: str) -> dict[str, Tensor]:
    """Return the entries of a codec's checkpoint."""
    return testing.checkpoint(GOLDEN / f"{codec}.manifest.json")
