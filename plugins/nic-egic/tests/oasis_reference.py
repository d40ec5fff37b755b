"""The reference checkpoint of OASIS-C, of names and shapes in golden/oasis-c.manifest.json.

golden/oasis-c.npz: the quantised latent that the network is given, in half precision, and the logits that the authors'
code computes with it from `nic_nn.testing.picture()`, at every sixteenth position in both directions, (16, 16, 135).
"""

from pathlib import Path

import numpy as np
from nic_nn import testing

GOLDEN = Path(__file__).parent / "golden"


def variables() -> dict[str, np.ndarray]:
    """Return the variables of the checkpoint by name, those included that are no weights."""
    rows = testing.checkpoint(GOLDEN / "oasis-c.manifest.json", fill=testing.tensorflow_entry)
    return {name: value.numpy() for name, value in rows.items()}
