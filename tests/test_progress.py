"""Every codec of latents says how far it is, and ends when it is told to, by either runtime, from any thread."""

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_cca.config import CcaConfig
from nic_cca.model import Cca
from nic_core import progress
from nic_core.host.codec import Codec
from nic_core.progress import Listener
from nic_core.weights import WeightsInfo
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_taco.codec import TacoCodec
from nic_taco.config import TacoConfig
from nic_taco.model import Taco
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.model import SketchModel
from skimage import data

SWINT = TbtcConfig("swint", "charm", (16, 32, 32, 64), (32, 32), (1, 1, 1, 1), (2, 1))
TCM = TcmConfig(16, 24, 16, (1, 1, 2, 2, 1, 1), (8,) * 6, 8, slices=3, attention=16, context=(20, 12))
RANDOM: dict[str, Callable[[], LatentModel]] = {
    "tbtc-conv-hyperprior": lambda: Tbtc(TbtcConfig("conv", "hyperprior", (32,) * 4, (32,) * 2)),
    "tbtc-conv-charm": lambda: Tbtc(TbtcConfig("conv", "charm", (32,) * 4, (32,) * 2)),
    "tbtc-swint-charm": lambda: Tbtc(SWINT),
    "tcm": lambda: Tcm(TCM),
    "cca": lambda: Cca(CcaConfig.of(width=16, depth=1)),
    "taco": lambda: Taco(TacoConfig(width=16, slices=(4, 4, 8), text_width=64, context_widths=(12, 8))),
    "textsketch-ntc": lambda: SketchModel(SketchConfig(16)),
    "egic": lambda: Egic(EgicConfig.of(width=16)),
}
BY_GRAPHS = ("mini", "textsketch-ntc", "tbtc-conv-hyperprior", "tbtc-conv-charm", "cca")
CODECS = [*((codec, "torch") for codec in ("mini", *RANDOM)), *((codec, "onnx") for codec in BY_GRAPHS)]
PICTURE = np.ascontiguousarray(data.coffee()[:150, :200])

Step = tuple[str, int, int]


class Cancelled(Exception):
    """What ends work here."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path | None]:
    """Return a function that writes random weights of a small model, once; None for a codec with weights of its own."""
    folder = tmp_path_factory.mktemp("weights")

    def made(codec: str) -> Path | None:
        path = folder / f"{codec}.safetensors"
        if codec in RANDOM and not path.exists():
            torch.manual_seed(0)
            with pytest.MonkeyPatch.context() as patch:
                patch.delenv("NIC_GRAPHS", raising=False)
                export(RANDOM[codec]().eval(), path, WeightsInfo(codec, "random", {}, "", ""))
        return path if codec in RANDOM else None

    return made


@pytest.fixture(scope="module", params=CODECS, ids=" ".join)
def codec(request: pytest.FixtureRequest, weights: Callable[[str], Path | None]) -> Codec:
    """A codec by a runtime."""
    name, runtime = request.param
    return nic.load(name, weights(name), device="cpu", runtime=runtime)


@pytest.fixture(autouse=True)
def captions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TacoCodec, "features", lambda self, text, clip: torch.zeros(1, 3, 64))


def heard(work: Callable[[], Any], check: Callable[[], None] = lambda: None) -> tuple[Any, list[Step]]:
    """Return what some work makes, and the steps that it reports."""
    steps: list[Step] = []
    listener = Listener(lambda *step: steps.append(step), lambda fact: None, check=check)
    with progress.listening(listener):
        return work(), steps


def assert_whole(steps: list[Step], *stages: str) -> None:
    """Assert that stages are reported, each from its beginning to its end without going back."""
    assert list(dict.fromkeys(what for what, _, _ in steps)) == list(stages)
    for stage in stages:
        done = [(count, total) for what, count, total in steps if what == stage]
        assert len({total for _, total in done}) == 1
        assert [count for count, _ in done] == sorted(count for count, _ in done)
        assert done[0][0] == 0
        assert done[-1][0] == done[-1][1] > 0


def test_every_stage_is_reported(codec: Codec) -> None:
    file, steps = heard(lambda: codec.encode(PICTURE))
    assert_whole(steps, "analysing the picture", "coding latents")
    _, steps = heard(lambda: codec.decode_picture(file))
    assert_whole(steps, "decoding latents", "synthesising the picture")


def test_layers_count_by_torch(codec: Codec) -> None:
    file, steps = heard(lambda: codec.encode(PICTURE))
    if codec.runtimes == "torch":
        assert sum(what == "analysing the picture" for what, _, _ in steps) > 5
        _, steps = heard(lambda: codec.decode_picture(file))
        assert sum(what == "synthesising the picture" for what, _, _ in steps) > 5


def test_a_picture_in_tiles_is_reported_tile_by_tile(codec: Codec) -> None:
    file, steps = heard(lambda: codec.encode(PICTURE, tile=64))
    tiles = [step for step in steps if step[0] == "encoding tiles"]
    assert tiles[-1] == ("encoding tiles", 12, 12)
    _, steps = heard(lambda: codec.decode_picture(file))
    assert [step for step in steps if step[0] == "decoding tiles"][-1] == ("decoding tiles", 12, 12)


def test_it_ends_at_any_step_and_can_be_used_again(codec: Codec) -> None:
    file = codec.encode(PICTURE)
    for work in (lambda: codec.encode(PICTURE), lambda: codec.decode_picture(file)):
        passed: list[int] = []
        heard(work, lambda passed=passed: passed.append(1))
        for last in {1, len(passed) // 3, len(passed) // 2, len(passed)}:
            left = iter(range(last - 1))

            def check(left: Any = left) -> None:
                if next(left, None) is None:
                    raise Cancelled

            with pytest.raises(Cancelled):
                heard(work, check)
    assert codec.encode(PICTURE) == file


def test_another_thread_ends_it_and_no_other_work(codec: Codec) -> None:
    cancelled, begun = threading.Event(), threading.Event()

    def check() -> None:
        begun.set()
        if cancelled.wait(10):
            raise Cancelled

    def ended() -> bool:
        with pytest.raises(Cancelled):
            heard(lambda: codec.encode(PICTURE), check)
        return True

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(ended)
        assert begun.wait(30)
        other = pool.submit(codec.encode, PICTURE)
        assert other.result(60)  # while the first waits
        cancelled.set()
        assert one.result(60)


def test_threads_of_a_batch_and_of_tiles_are_heard_and_ended() -> None:
    codec = nic.load("mini", device="cpu")
    for work in (
        lambda: list(codec.encode_batch([PICTURE] * 3, threads=2)),
        lambda: codec.encode(PICTURE, tile=64),
    ):
        _, steps = heard(work)
        assert sum(what == "coding latents" and done == total for what, done, total in steps) >= 3
        threads: set[int] = set()

        def check(threads: set[int] = threads) -> None:
            threads.add(threading.get_ident())
            if len(threads) > 1:
                raise Cancelled

        with pytest.raises(Cancelled):
            heard(work, check)


def test_the_asyncio_example_of_the_docs() -> None:
    text = (Path(__file__).parents[1] / "docs" / "hosts.md").read_text()
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "call_soon" in block]
    names: dict[str, Any] = {}
    exec(example, names)
    codec = nic.load("mini", device="cpu")

    async def whole() -> tuple[bytes, list[Step]]:
        steps: list[Step] = []
        return await names["encoded"](codec, PICTURE, lambda *step: steps.append(step)), steps

    file, steps = asyncio.run(whole())
    assert file == codec.encode(PICTURE, 60)
    assert ("analysing the picture", 1, 1) in steps or len(steps) > 10

    async def interrupted() -> list[Step]:
        steps: list[Step] = []
        begun = asyncio.Event()

        def show(*step: Any) -> None:
            steps.append(step)
            begun.set()

        task = asyncio.create_task(names["encoded"](codec, np.tile(PICTURE, (6, 6, 1)), show))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return steps

    steps = asyncio.run(interrupted())  # which waits for the threads
    assert not [step for step in steps if step[0] == "coding latents" and step[1] == step[2]]
