"""Tables by counting: files become smaller, and what never came up stays as it was."""

import numpy as np
import pytest
import torch
from nic_core.coding import Interleaved, Tables
from nic_latent.entropy_model import EntropyModel
from nic_nn.integers.calibration import OTHERS, Pictures, carried, integers_of, latents_of
from nic_nn.integers.counting import Counter, counted
from nic_nn.model import LatentModel
from nic_nn.testing import Tiny, TinyConfig
from nic_nn.weights.random_weights import filled

NOTHING = np.zeros((0, 1, 1, 1))


@pytest.fixture(scope="module")
def model() -> LatentModel:
    """Return a model with random weights, whose scales say little of what comes."""
    made = filled(Tiny(TinyConfig()))
    assert isinstance(made, LatentModel)
    made.freeze_tables()
    return made


def written(model: EntropyModel, y: np.ndarray, z: np.ndarray) -> list[bytes]:
    return [model.encode(y[at : at + 1], z[at : at + 1], Interleaved())[0] for at in range(len(y))]


def test_files_of_other_pictures_are_smaller_and_decode(model: LatentModel) -> None:
    plain, by_counts = integers_of(model), integers_of(model, carried(model.stride))
    y, z = latents_of(model, carried(model.stride, OTHERS))
    before, after = written(plain, y, z), written(by_counts, y, z)
    assert sum(map(len, after)) < 0.99 * sum(map(len, before))
    height, width, channels = y.shape[1:]
    size = height // plain.ratio, width // plain.ratio
    decoded = [
        entropy.decode(stream, size, channels, Interleaved())[0].values
        for entropy, stream in ((plain, before[0]), (by_counts, after[0]))
    ]
    np.testing.assert_array_equal(*decoded)


def test_a_model_codes_with_what_its_own_tables_were_counted_by(model: LatentModel) -> None:
    flat = Pictures(("flat",), (np.full((64, 64, 3), 128, np.uint8),))
    made = Tiny(model.config)
    made.load_state_dict(model.state_dict())
    made.make_integers(flat)
    assert made.tables is not None and made.integers is not None
    assert made.tables["y"] is made.integers.gaussians.tables
    with torch.inference_mode():
        coded = made.compress(torch.rand(1, 3, 64, 64))
        assert made.decompress(coded)["x_hat"].shape == (1, 3, 64, 64)


def test_what_never_came_up_stays(model: LatentModel) -> None:
    plain = integers_of(model)
    tables = counted(plain, NOTHING, NOTHING).gaussians.tables
    np.testing.assert_array_equal(tables.cdf, plain.gaussians.tables.cdf)


def test_intervals_are_counted_and_what_tables_do_not_reach_as_escapes() -> None:
    tables = Tables(np.array([[0, 1, 65535, 65536, 0], [0, 9, 600, 65000, 65536]]), np.array([4, 5]), np.array([0, -1]))
    counter = Counter(tables)
    encoder = counter.encoder()
    encoder.push(np.array([0, 1, -7, 2]), np.array([0, 0, 0, 0]), tables)
    encoder.push(np.array([-1, 1, 1, 9]), np.array([1, 1, 1, 1]), tables)
    encoder.push(np.array([0]), np.array([0]), Tables(tables.cdf, tables.length, tables.offset))
    assert encoder.finish() == b"" and counter.counts.tolist() == [1, 1, 2, 1, 0, 2, 1]
