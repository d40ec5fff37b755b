"""Two processes train as one does with the joint batch; torchrun and nic start them alike."""

import sys
from importlib.resources import files

import pytest
import torch

pytestmark = pytest.mark.long

SMALL = ("--set", "crop=64", "--set", "batch=4", "--set", "ema=0.9", "--precision", "fp32", "--workers", 0)

TRAINED = ("--set", "widths=48,96,160", "--set", "slices=16,16,32,192", "--set", "features=128", "--set", "context=96",
           "--set", "levels=7", "--set", "lambdas=0.0008,0.1143262629818316")  # fmt: skip
"""The shape of the bundled weights."""


def parameters_of(run):
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["step"] == 20
    return state["state_dict"]


@pytest.fixture(scope="module")
def arguments(make_pictures, tmp_path_factory):
    """With Adam: what Muon takes from a gradient it computes in bfloat16, which makes more of a last bit.

    At half the usual rate: gradients near zero differ in the order of their sums alone, from processor to processor by
    more or less, and Adam makes steps of the full rate of them. From trained weights: at the small scales that training
    starts from, latents far out make so much of the last bit of a sum that no two runs stay together. The seed is one
    whose draws leave no value on the edge of being rounded the other way.
    """
    data = make_pictures(tmp_path_factory.mktemp("data") / "pictures", 5)
    weights = files("nic_mini") / "weights" / "mini.safetensors"
    return ("train", "mini", "--data", data, "--val", data, *SMALL, *TRAINED, "--init", weights,
            "--set", "optimizer=adam", "--set", "lr=5e-5", "--set", "warmup=0", "--steps", 20, "--seed", 1)  # fmt: skip


@pytest.fixture(scope="module")
def two(arguments, nic, tmp_path_factory):
    run = tmp_path_factory.mktemp("two") / "run"
    nic(*arguments, "--out", run, "--device", "cpu", "--devices", 2)
    assert (run / "weights.safetensors").exists()
    return parameters_of(run)


def test_two_processes_train_as_one(arguments, two, nic, tmp_path):
    nic(*arguments, "--out", tmp_path / "one")
    one = parameters_of(tmp_path / "one")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


def test_torchrun_starts_the_same_run(arguments, two, nic, tmp_path):
    torchrun = (sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    nic(*arguments, "--out", tmp_path / "torchrun", "--device", "cpu", launcher=(*torchrun, "-m", "nic_core"))
    three = parameters_of(tmp_path / "torchrun")
    assert all(torch.equal(three[name], two[name]) for name in two)
