"""A run that was stopped ends with the weights that it would have had, bit for bit."""

import random
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.long

SMALL = ("--set", "crop=64", "--set", "batch=4", "--set", "warmup=3", "--set", "ema=0.9", "--precision", "fp32")
STEPS = 40


def state_of(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(first, second):
    assert first["step"] == second["step"]
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name]), name
    for one, other in zip(first["optimizer_states"], second["optimizer_states"], strict=True):
        for key, entry in one["state"].items():
            for name, value in entry.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(other["state"][key][name])), name


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, make_pictures):
    pictures = make_pictures(tmp_path_factory.mktemp("data") / "pictures", 7)  # passes end in the middle of batches
    return ("train", "mini", "--data", pictures, *SMALL, "--accumulate", 2, "--workers", 2, "--cache", 0,
            "--steps", STEPS, "--checkpoint-steps", 5)  # fmt: skip


@pytest.fixture(scope="module")
def whole(arguments, nic, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    nic(*arguments, "--out", run)
    return run


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_ends_as_if_it_had_not_been(stop, whole, arguments, nic, start_nic, tmp_path):
    broken = tmp_path / "broken"
    with start_nic(*arguments, "--out", broken) as run:
        wait_for_checkpoint(run, broken)
        time.sleep(random.uniform(0, 0.5))
        run.send_signal(stop)
        out, _ = run.communicate(timeout=120)
    if stop == signal.SIGKILL:
        assert run.returncode == -signal.SIGKILL
    else:
        assert run.returncode == 130
        assert "go on with: nic train --resume" in out
    assert 5 <= state_of(broken)["step"] < STEPS

    nic("train", "--resume", broken)
    assert_same(state_of(whole), state_of(broken))
    ours, theirs = (load_file(run / "weights.safetensors") for run in (whole, broken))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def wait_for_checkpoint(process, run):
    """Wait until there is one."""
    end = time.monotonic() + 120
    while not (run / "checkpoints" / "last.ckpt").exists():
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
