"""The precision follows from the device; where nothing is said, a processor without bf16 takes fp32."""

import math

import pytest
import torch
from nic_core.errors import BadOption
from nic_nn import bfloat16
from nic_nn.bfloat16 import suits_bf16
from nic_train.machine import Machine, chosen_precision


@pytest.mark.parametrize(
    ("text", "suits"),
    [
        ("processor : 0\nflags\t\t: fpu sse avx avx2\n", False),
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512vl\n", False),
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("processor : 0\nflags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("processor : 0\nFeatures\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_a_processor_says_what_it_computes_in(text, suits, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(bfloat16, "CPU_INFO", tmp_path / "cpuinfo")
    assert suits_bf16("cpu") is suits
    precision, remark = chosen_precision("auto", "cpu")
    assert precision == ("bf16" if suits else "fp32")
    assert ("training in fp32" in remark) is not suits
    assert chosen_precision("fp32", "cpu") == ("fp32", "")
    precision, remark = chosen_precision("bf16", "cpu")
    assert precision == "bf16"
    assert ("--precision fp32 is faster" in remark) is not suits


def test_a_system_that_says_nothing_takes_fp32(tmp_path, monkeypatch):
    monkeypatch.setattr(bfloat16, "CPU_INFO", tmp_path / "missing")
    assert chosen_precision("auto", "cpu")[0] == "fp32"
    assert Machine("cpu").kind == "cpu"


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_takes_bf16_where_it_computes_in_it(supported, precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *version: supported)
    assert chosen_precision("auto", "cuda")[0] == chosen_precision("auto", "mps")[0] == precision


@pytest.mark.parametrize("minutes", [-1.0, math.nan, math.inf])
def test_minutes_that_are_none(minutes):
    with pytest.raises(BadOption, match="minutes must be at least 0"):
        Machine(minutes=minutes)
