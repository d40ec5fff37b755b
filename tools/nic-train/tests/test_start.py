"""Starting from a run: its networks with what its optimizers kept, or its steps as one's own."""

import shutil

import pytest
import torch
from nic_core.weights import read_info
from nic_train.request import read_record
from nic_train.restoring import restore

SMALL = ("--set", "crop=64", "--set", "batch=2", "--set", "optimizer=adam", "--set", "warmup=0", "--set", "ema=0")
COMMON = (*SMALL, "--workers", 0, "--precision", "fp32")


@pytest.fixture(scope="module")
def pictures(make_pictures, tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("data") / "pictures", 5)


@pytest.fixture(scope="module")
def whole(tiny_train, pictures, tmp_path_factory):
    """A run of four steps with a checkpoint of each second one."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert tiny_train("mini", "--data", pictures, "--out", run, *COMMON, "--steps", 4, "--keep-steps", 2) == 0
    return run


def state_of(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def begun_by(tiny_train, monkeypatch, *arguments):
    """Return the loop with which a run would begin."""
    begun = []
    monkeypatch.setattr("nic_train.run._fit", lambda request, out, trainer, loop, *more: begun.append(loop))
    assert tiny_train(*arguments) == 0
    return begun[0]


def test_networks_and_optimizers_of_a_run_are_taken(whole, pictures, tiny_train, monkeypatch, tmp_path, capsys):
    loop = begun_by(tiny_train, monkeypatch, "mini", "--data", pictures, "--out", tmp_path / "run", *COMMON,
                    "--set", "ema=0.9", "--init", whole, "--step", 2)  # fmt: skip
    assert "starting from run step 2: its model with optimizers" in capsys.readouterr().err
    found = restore(whole, 2)
    for networks in (loop.networks, loop.validated):
        for name, value in found.loop.networks.model.state_dict().items():
            assert torch.equal(networks.model.state_dict()[name], value), name
    optimizers = loop.configure_optimizers()
    for optimizer, state in zip(optimizers, found.optimizers, strict=True):
        kept = optimizer.state_dict()["state"]
        assert kept.keys() == state["state"].keys() and kept
        for number, values in state["state"].items():
            assert all(torch.equal(kept[number][name], value) for name, value in values.items())


def test_a_checkpoints_file_stands_for_its_run(whole, pictures, tiny_train, tmp_path):
    run = tmp_path / "run"
    file = whole / "checkpoints" / "step-2.ckpt"
    assert tiny_train("mini", "--data", pictures, "--out", run, *COMMON, "--steps", 1, "--init", file) == 0
    initial = read_record(run).initial
    assert initial["model"].startswith("run step 2 ")
    assert read_info(run / "weights.safetensors").provenance["initial"] == initial
    assert tiny_train("--resume", run, "--steps", 2, "--init", file) == 0
    assert restore(run).learned == ("model",)


def test_a_branch_ends_as_the_run_did(whole, tiny_train, tmp_path, capsys):
    branch = tmp_path / "branch"
    assert tiny_train("mini", "--from", whole, "--step", 2, "--out", branch) == 0
    assert "were trained with" not in capsys.readouterr().err
    ours, theirs = state_of(branch), state_of(whole)
    assert ours["step"] == theirs["step"] == 4
    for name, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], value), name
    assert read_record(branch).initial == {"run": "run step 2"}
    assert (branch / "weights.safetensors").read_bytes() != b""


def test_a_branch_with_other_values_says_what_the_steps_before_had(whole, tiny_train, tmp_path, capsys):
    branch = tmp_path / "branch"
    assert tiny_train("--from", whole, "--out", branch, "--steps", 5, "--set", "lr=1e-4", "--keep-steps", 1) == 0
    assert "the 4 steps of run were trained with lr 0.002, not 0.0001" in capsys.readouterr().err
    assert not torch.equal(
        *(state_of(run)["state_dict"]["parts.model.g_a.0.weight"] for run in (branch, whole)),
    )
    assert state_of(branch)["step"] == 5


def test_a_branch_resumes_like_any_run(whole, tiny_train, tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert tiny_train("--from", whole, "--out", once, "--steps", 6) == 0
    assert tiny_train("--from", whole, "--out", twice, "--steps", 6, "--minutes", 1e-9) == 0
    assert state_of(twice)["step"] == 5
    assert tiny_train("--resume", twice) == 0
    for name, value in state_of(once)["state_dict"].items():
        assert torch.equal(state_of(twice)["state_dict"][name], value), name


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["mini", "--from", "RUN"], 2, "needs a new folder: --out RUN"),
        (["mini", "--from", "RUN", "--init", "RUN", "--out", "new"], 2, "neither --resume nor --init"),
        (["cca", "--from", "RUN", "--out", "new"], 1, "trains mini, not cca"),
        (["--from", "RUN", "--out", "new"], 1, "has made 4 steps, and this run's are 4; more: --steps"),
        (["--from", "RUN", "--step", "3", "--out", "new"], 1, "holds no checkpoint step-3.ckpt"),
        (["--from", "RUN", "--step", "best", "--out", "new"], 1, "keeps no optimizers"),
        (["--from", "RUN", "--step", "none", "--out", "new"], 2, "is neither a step nor 'best'"),
        (["--from", "nowhere", "--out", "new"], 1, "nowhere holds no run"),
        (["mini", "--data", "PICTURES", "--out", "new", "--step", "3"], 2, "--step goes with"),
        (
            ["cca", "--data", "PICTURES", "--out", "new", *SMALL[:2], "--init", "RUN"],
            1,
            "is of mini, and this run trains",
        ),
        (["mini", "--data", "PICTURES", "--out", "new", *SMALL, "--init", "PICTURES"], 1, "starts from no checkpoints"),
        (["--export", "RUN", "--part", "adversary"], 1, "has no adversary that has learned; what has: model"),
    ],
)
def test_bad_starts_are_one_line(
    arguments, status, message, whole, pictures, tiny_train, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    names = {"RUN": str(whole), "PICTURES": str(pictures)}
    assert tiny_train(*(names.get(part, part) for part in arguments)) == status
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_start_that_does_not_fit_is_named(whole, pictures, tiny_train, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    state = state_of(other)
    state["state_dict"]["parts.model.g_a.0.bias"][0] = float("nan")
    torch.save(state, other / "checkpoints" / "last.ckpt")
    arguments = ("mini", "--data", pictures, "--out", tmp_path / "run", *COMMON, "--steps", 1, "--init", other)
    assert tiny_train(*arguments) == 1
    assert "not finite" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
