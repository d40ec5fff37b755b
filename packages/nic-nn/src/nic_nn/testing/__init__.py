"""For tests of models; needs pytest. `LatentModelTests` is what every model of latents must do, to inherit.

The rest are parts for tests of one's own.
"""

from nic_nn.testing.checkpoints import assert_layout, assert_round_trip
from nic_nn.testing.integers import integer_error
from nic_nn.testing.latent_models import LatentModelTests
from nic_nn.testing.references import (
    assert_codes_what_it_estimates,
    assert_reference,
    checkpoint,
    picture,
    tensorflow_entry,
    write_random_alexnet,
)
from nic_nn.testing.tiny import Tiny, TinyConfig, tiny
from nic_nn.weights.random_weights import entry, filled, normal

__all__ = [
    "LatentModelTests",
    "Tiny",
    "TinyConfig",
    "assert_codes_what_it_estimates",
    "assert_layout",
    "assert_reference",
    "assert_round_trip",
    "checkpoint",
    "entry",
    "filled",
    "integer_error",
    "normal",
    "picture",
    "tensorflow_entry",
    "tiny",
    "write_random_alexnet",
]
