"""Whole models decide the same symbols in C and in numpy, by every instruction set, on one thread and on two."""

from collections.abc import Callable, Iterator

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_cca.config import CcaConfig
from nic_cca.model import Cca
from nic_core import native
from nic_core.coding import Interleaved
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_latent.integers.executor import only_numpy
from nic_nn.model import LatentModel
from nic_taco.config import TacoConfig
from nic_taco.model import Taco
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=native.why_not())
if not native.why_not():
    from nic_native import arrays
    from nic_native import threads as by_threads

SWINT = TbtcConfig("swint", "charm", (16, 32, 32, 64), (32, 32), (1, 1, 1, 1), (2, 1))
TCM = TcmConfig(16, 24, 16, (1, 1, 2, 2, 1, 1), (8,) * 6, 8, slices=3, attention=16, context=(20, 12))
MODELS: dict[str, Callable[[], LatentModel]] = {
    "mini": lambda: nic.load("mini").model,
    "cca": lambda: Cca(CcaConfig.of(width=16, depth=1)),
    "taco": lambda: Taco(TacoConfig(width=16, slices=(4, 4, 8), text_width=64, context_widths=(12, 8))),
    "tbtc-swint-charm": lambda: Tbtc(SWINT),
    "tcm": lambda: Tcm(TCM),
    "egic": lambda: Egic(EgicConfig.of(width=16)),
}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request: pytest.FixtureRequest) -> LatentModel:
    """Return a model with integers: mini with its own, the others with those of random weights."""
    torch.manual_seed(0)
    found = MODELS[request.param]().eval()
    if found.integers is None:  # mini's are those of its file, and the model is the one that every test gets
        found.make_integers()
    return found


@pytest.fixture(params=["plain", "avx2", "avx512", "vnni"])
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if arrays.SETS.index(request.param) > arrays.library().nic_best_isa():
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(arrays.NIC_NATIVE_ISA, request.param)
    monkeypatch.setattr(by_threads, "WORTH", 1)  # strips, even of small maps
    arrays.instruction_set.cache_clear()
    yield
    arrays.instruction_set.cache_clear()


@pytest.mark.usefixtures("instruction_set")
def test_the_same_symbols(model: LatentModel, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    y_channels, z_channels = model.channels
    z_size, ratio = (2, 1), model.stride // model.y_stride
    y = generator.laplace(0, 4, (1, z_size[0] * ratio, z_size[1] * ratio, y_channels))
    z = generator.normal(0, 2, (1, *z_size, z_channels))
    y.flat[:2], z.flat[:2] = (1e5, -1e5), (1e5, -1e5)  # nets saturate
    integers, coder = model.integers, Interleaved()
    assert integers is not None
    with only_numpy():
        expected = integers.encode(y, z, coder)
    for count in (1, 2):
        monkeypatch.setattr(by_threads.threads, "_count", count)
        assert integers.encode(y, z, coder) == expected
    stream, checksum = expected
    y_hat, found = integers.decode(stream, z_size, y_channels, coder)
    assert found == checksum
    with only_numpy():
        again, found = integers.decode(stream, z_size, y_channels, coder)
    assert found == checksum
    assert np.array_equal(y_hat.values, again.values)
