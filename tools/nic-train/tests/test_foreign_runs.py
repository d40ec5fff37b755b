"""A run that somebody else began: nothing of it is executed, nothing lands elsewhere, and one line says why."""

import json
import os
import pickle
import shutil

import pytest
import torch
from nic_core.errors import BadOption, NicError
from nic_train.folder import check_closed, new_folder
from nic_train.request import read_record
from safetensors import safe_open
from safetensors.torch import load_file, save_file

DEEP = 100_000


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of a finished run of two steps."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def rewrite(run, change):
    """Change the content of run.json."""
    content = json.loads((run / "run.json").read_text())
    change(content)
    (run / "run.json").write_text(json.dumps(content))


def error_of(capsys, status):
    """Return the one line in which a call ended."""
    assert status == 1
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("nic: ")]
    assert "unexpected" not in line
    assert "wrote" not in captured.out
    return line


@pytest.mark.parametrize(
    "text",
    [
        *["", "[]", "3", "null", "{}", '{"request": 3}', '{"request": {}, "data": {}}', '{"request": {"choice": []}}'],
        *["[" * DEEP, '{"request":' * DEEP, '{"request": ' + "[" * 400 + "]" * 400 + "}", "\x00", "{" * 10],
    ],
)
def test_a_record_of_another_shape(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(NicError) as error:
        read_record(tmp_path)
    assert "run.json" in str(error.value)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["request"].update(data=3), "data cannot be 3"),
        (lambda it: it["request"].update(data=None), "data cannot be None"),
        (lambda it: it["request"].update(seed="0"), "seed cannot be '0'"),
        (lambda it: it["request"].update(seed=True), "seed cannot be True"),
        (lambda it: it["request"].update(target="os:system"), "an entry 'target'"),
        (lambda it: it["request"].update(choice="mini"), "Choice cannot be 'mini'"),
        (lambda it: it["request"]["choice"].update(values=[]), "values cannot be"),
        (lambda it: it["request"]["choice"].update(values={"lr": {"a": 1}}), "values cannot be"),
        (lambda it: it["request"]["choice"].update(stages=[3]), "stages cannot be"),
        (lambda it: it.update(data=[]), "DataRecord cannot be"),
        (lambda it: it.update(initial={"name": 3}), "initial cannot be"),
        (lambda it: it["request"].pop("codec"), "codec"),
    ],
)
def test_an_entry_of_another_type(change, message, run):
    rewrite(run, change)
    with pytest.raises(NicError, match=message):
        read_record(run)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("workers", 10**6), ("workers", -1), ("cache", -1), ("accumulate", 0)],
        *[("log_every", 0), ("checkpoint_steps", 0), ("val_steps", 0), ("keep_steps", -1), ("seed", 10**400)],
        ("precision", "fp8"),
    ],
)
def test_a_value_that_would_do_harm(name, value, run):
    rewrite(run, lambda it: it["request"].update({name: value}))
    with pytest.raises(BadOption, match=name.replace("_", "-")):
        read_record(run)


def test_shards_that_are_commands_are_not_run(run, tiny_train, tmp_path, capsys):
    marker = tmp_path / "marker"
    commands = ["pipe:touch {}; cat a.tar", "{{a,pipe:touch {}; cat b}}.tar", "a.tar::pipe:touch {};cat a.tar"]
    for data in (command.format(marker) for command in commands):
        for entry in ("data", "val", "captions", "labels"):
            rewrite(run, lambda it, entry=entry, data=data: it["request"].update({entry: data}))
        rewrite(run, lambda it: it["request"].update(val=None))
        assert "nic: " in error_of(capsys, tiny_train("--resume", run, "--steps", 3))
        assert not marker.exists()


class Touch:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_is_data(run, tiny_train, tmp_path, capsys):
    marker, last = tmp_path / "marker", run / "checkpoints" / "last.ckpt"
    sound = torch.load(last, weights_only=True)
    for write in (lambda: torch.save({**sound, "more": Touch(marker)}, last),
                  lambda: last.write_bytes(pickle.dumps(Touch(marker), 2))):  # fmt: skip
        write()
        assert "is no checkpoint of nic train" in error_of(capsys, tiny_train("--resume", run, "--steps", 3))
        assert "is no checkpoint of nic train" in error_of(capsys, tiny_train("--export", run))
        assert not marker.exists()


def test_a_checkpoint_of_another_shape_or_with_what_is_no_number(run, tiny_train, capsys):
    last = run / "checkpoints" / "last.ckpt"
    sound = torch.load(last, weights_only=True)
    name = next(name for name, value in sound["state_dict"].items() if value.is_floating_point())
    broken = {"x": torch.tensor([1.0, float("nan")])}
    contents = {
        "is no checkpoint": [{}, [], {**sound, "step": -1}, {**sound, "step": "2"}, {**sound, "state_dict": {"a": 1}}],
        "does not fit the recipe's networks": [{**sound, "state_dict": {}}],
        f"not finite, in {name}": [{**sound, "state_dict": {**sound["state_dict"], name: broken["x"]}}],
        "not finite, in the optimizers": [{**sound, "optimizer_states": [{"state": {0: broken}}]}],
    }
    for message, variants in contents.items():
        for content in variants:
            torch.save(content, last)
            assert message in error_of(capsys, tiny_train("--resume", run, "--steps", 3))


def test_weights_to_start_from_are_numbers(run, tiny_train, tmp_path, capsys):
    path = run / "weights.safetensors"
    state = load_file(path)
    with safe_open(path, "pt") as file:
        head = file.metadata()
    name = next(name for name, value in state.items() if value.is_floating_point())
    state[name].view(-1)[0] = float("nan")
    save_file(state, path, head)
    small = ("--set", "crop=64", "--set", "batch=2", "--steps", 1, "--workers", 0)
    new = tmp_path / "new"
    data = json.loads((run / "run.json").read_text())["request"]["data"]
    error_of(capsys, tiny_train("mini", "--data", data, "--out", new, "--init", path, *small))
    assert not new.exists()


@pytest.mark.parametrize(
    "place", ["weights.safetensors", "checkpoints", "checkpoints/step-2.ckpt", "metrics/csv", "x/y"]
)
def test_a_link_that_leads_out_is_refused(place, run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = run / place
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(os.path.relpath(outside, link.parent))
    with pytest.raises(NicError, match="is a link that leads out of the run's folder"):
        read_record(run)
    link.unlink()
    link.symlink_to("/dev/full")
    with pytest.raises(NicError, match="is a link that leads out"):
        read_record(run)
    assert not list(outside.iterdir())


def test_links_within_a_run_and_to_a_run_are_fine(run, tmp_path):
    (run / "latest").symlink_to("checkpoints")
    (run / "wandb" / "run-1").mkdir(parents=True)
    (run / "wandb" / "run-1" / "debug.log").symlink_to("/tmp/elsewhere")  # as Weights & Biases makes them
    (tmp_path / "other").symlink_to(run)
    check_closed(run)
    assert read_record(tmp_path / "other") == read_record(run)


def test_a_new_run_takes_a_free_folder_only(run, tmp_path):
    with pytest.raises(NicError, match="already holds a run; go on with --resume"), new_folder(run):
        pass
    (run / "checkpoints" / "last.ckpt").unlink()
    with new_folder(run):  # ended before its first checkpoint
        pass
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"")
    with pytest.raises(NicError, match="already holds other files"), new_folder(tmp_path / "photos"):
        pass
    for place, message in {
        tmp_path / "photos" / "a.png": "cannot make the folder .*a.png: File exists",
        tmp_path / "photos" / "a.png" / "run": "cannot make the folder .*: Not a directory",
        tmp_path / ("n" * 300): "cannot make the folder .*: File name too long",
        tmp_path / "new" / ("n" * 300): "cannot make the folder .*: File name too long",
        tmp_path / "$HOME": "cannot have . in its path",
    }.items():
        with pytest.raises(NicError, match=message), new_folder(place):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "run"]


def test_a_folder_that_stays_empty_goes_again(tmp_path):
    def fail(place):
        with new_folder(place):
            assert place.is_dir()
            raise NicError("later")

    for place in (tmp_path / "a" / "b", tmp_path / "c"):
        with pytest.raises(NicError, match="later"):
            fail(place)
    assert not list(tmp_path.iterdir())
