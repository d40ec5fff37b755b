"""Two processes train as one does that takes their pieces in turn; torchrun and nic start them alike.

Sums have one order then, so it is the same to the last bit on every processor. That pieces make the step of the whole
batch stands in test_loop.
"""

import sys

import pytest
import torch

pytestmark = pytest.mark.long

SMALL = ("--set", "crop=64", "--set", "batch=4", "--set", "ema=0.9", "--precision", "fp32", "--workers", 0)


def parameters_of(run):
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["step"] == 20
    return state["state_dict"]


@pytest.fixture(scope="module")
def arguments(make_pictures, tmp_path_factory):
    data = make_pictures(tmp_path_factory.mktemp("data") / "pictures", 5)
    return ("train", "mini", "--data", data, "--val", data, *SMALL, "--set", "warmup=0", "--steps", 20, "--seed", 1)


@pytest.fixture(scope="module")
def two(arguments, nic, tmp_path_factory):
    run = tmp_path_factory.mktemp("two") / "run"
    nic(*arguments, "--out", run, "--device", "cpu", "--devices", 2)
    assert (run / "weights.safetensors").exists()
    return parameters_of(run)


def test_two_processes_train_as_one(arguments, two, nic, tmp_path):
    nic(*arguments, "--out", tmp_path / "one", "--accumulate", 2)
    one = parameters_of(tmp_path / "one")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) == 0


def test_torchrun_starts_the_same_run(arguments, two, nic, tmp_path):
    torchrun = (sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    nic(*arguments, "--out", tmp_path / "torchrun", "--device", "cpu", launcher=(*torchrun, "-m", "nic_core"))
    three = parameters_of(tmp_path / "torchrun")
    assert all(torch.equal(three[name], two[name]) for name in two)
