"""Options that need torch, as an effort does: which runtime is taken, and what is said without."""

from types import ModuleType, SimpleNamespace
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core.errors import BadOption, NicError
from nic_core.host import codec as host
from nic_core.host import runtimes
from nic_core.host.runtimes import runtime_for
from nic_core.spec import EFFORT, CodecSpec, Option

PLAIN = Option("level", int, 3, "Not of torch.")
SPEC = CodecSpec("c", "nic_c.codec:C", "For tests.", options=(PLAIN, EFFORT))
WITH_GRAPHS = CodecSpec("c", "nic_c.codec:C", "For tests.", options=(PLAIN, EFFORT), graphs="nic_c.graphs:C")


@pytest.mark.parametrize(
    ("options", "asked", "taken"),
    [
        ({"effort": 0}, "auto", "auto"),
        ({"effort": 0}, "onnx", "onnx"),
        ({"level": 9}, "onnx", "onnx"),
        ({}, "onnx", "onnx"),
        ({"effort": 1}, "auto", "torch"),
        ({"effort": 1}, "torch", "torch"),
        ({"effort": 1}, "torch-bf16", "torch-bf16"),
    ],
)
def test_torch_runs_what_needs_it(
    options: dict[str, Any], asked: Any, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: SimpleNamespace())
    assert runtime_for(SPEC, options, asked) == taken


def test_onnxruntime_is_refused() -> None:
    with pytest.raises(
        BadOption, match=r"^effort needs torch, onnxruntime cannot do it: leave out the one or the other$"
    ):
        runtime_for(WITH_GRAPHS, {"effort": 3}, "onnx")


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    with pytest.raises(NicError, match=r"^effort needs torch, which is not installed: pip install nic-c\[torch\]$"):
        runtime_for(WITH_GRAPHS, {"effort": 3}, "auto")
    with pytest.raises(NicError, match=r"pip install nic-c$"):
        runtime_for(SPEC, {"effort": 3}, "auto")


def test_encoding_opens_what_the_options_need(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of batches, whose pictures then come one by one."""
    asked: list[str] = []

    def note(spec: CodecSpec, options: dict[str, Any], runtime: str) -> str:
        asked.append(runtime)
        return "torch" if options["level"] == 9 else runtime

    monkeypatch.setattr(host, "runtime_for", note)
    monkeypatch.setattr(fake.ZipCodec, "batch_pixels", 10**6)
    opened: list[Any] = []
    codec = nic.load("zip", runtime="auto")
    inner = codec.opened
    monkeypatch.setattr(codec, "opened", lambda spec, runtime=None: (opened.append(runtime), inner(spec, runtime))[1])
    picture = np.zeros((2, 3, 3), np.uint8)
    codec.encode(picture, level=9)
    codec.encode(picture, level=8)
    assert opened == ["torch", "auto"]
    opened.clear()
    assert len(list(codec.encode_batch([picture] * 3, level=9))) == 3
    assert opened == ["torch"] * 3
    opened.clear()
    assert len(list(codec.encode_batch([picture] * 3, level=8))) == 3
    assert opened == [None, "auto"]


def test_effort_is_a_whole_number_up_to_nine() -> None:
    assert SPEC.options_for("encode", {"effort": "9"})["effort"] == 9
    for wrong in (-1, 10, 2.5, "much"):
        with pytest.raises(BadOption, match="effort must be 0 to 9"):
            SPEC.options_for("encode", {"effort": wrong})
