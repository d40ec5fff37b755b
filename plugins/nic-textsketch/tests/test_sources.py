"""Where models are found, and what is said where they are not."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants
from nic_core import progress
from nic_core.errors import NicError
from nic_textsketch.config import Source
from nic_textsketch.sources import folder

FILES = ("config.json", "unet/*.json", "weights.safetensors|weights.bin")
SOURCE = Source("someone/model", revision="v1", gigabytes=2.6)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(place, *names):
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return place


def complete(place):
    return write(place, "config.json", "unet/config.json", "weights.bin")


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """The hub's cache, empty, and no network."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("NIC_MODELS", raising=False)
    return cache


@pytest.fixture
def snapshot(hub):
    """Where the cache keeps the model."""
    write(hub / "models--someone--model" / "refs", "v1").joinpath("v1").write_text(COMMIT)
    return hub / "models--someone--model" / "snapshots" / COMMIT


def test_a_folder_may_be_named_itself(tmp_path):
    place = complete(tmp_path / "mine")
    assert folder(Source(str(place)), None, FILES) == place


def test_a_folder_of_models_is_given_or_in_the_environment(tmp_path, monkeypatch):
    place = complete(tmp_path / "models" / "someone" / "model")
    assert folder(SOURCE, tmp_path / "models", FILES) == place
    monkeypatch.setenv("NIC_MODELS", str(tmp_path / "models"))
    assert folder(SOURCE, None, FILES) == place


@pytest.mark.parametrize("lost", ["config.json", "unet/config.json", "weights.bin"])
def test_a_folder_must_be_complete(tmp_path, lost):
    place = complete(tmp_path / "mine")
    (place / lost).unlink()
    with pytest.raises(NicError, match=f"{place} is not complete: it has no .*{Path(lost).suffix}") as caught:
        folder(Source(str(place)), None, FILES)
    assert "\n" not in str(caught.value)


def test_the_cache_is_read_without_a_network(snapshot):
    complete(snapshot)
    assert folder(SOURCE, None, FILES) == snapshot


def test_a_commit_needs_no_branch(snapshot):
    complete(snapshot)
    assert folder(Source("someone/model", revision=COMMIT), None, FILES) == snapshot


def test_what_is_missing_is_said_with_its_size_and_a_command_that_gets_it(snapshot):
    write(snapshot, "config.json")
    with pytest.raises(NicError) as caught:
        folder(SOURCE, None, FILES)
    said = str(caught.value)
    assert "\n" not in said
    assert "unet/*.json of it is not on this machine" in said
    assert "2.6 GB" in said
    assert "--models DIR or NIC_MODELS=DIR" in said
    command = shlex.split(said.split("`")[1])
    assert command[:5] == ["hf", "download", "someone/model", "--revision", "v1"]
    assert "(where it has none of these, weights.bin will do)" in said
    included = ["config.json", "unet/*.json", "weights.safetensors"]
    assert command[5:] == [word for pattern in included for word in ("--include", pattern)]


@pytest.mark.parametrize("name", ["nobody/nothing", "a name/that/cannot be"])
def test_an_unknown_model_is_one_line(name):
    with pytest.raises(NicError, match="cannot get") as caught:
        folder(Source(name), None, FILES)
    assert "\n" not in str(caught.value)


def test_a_download_reports_how_far_it_is_and_takes_the_second_choice(snapshot, monkeypatch, caplog):
    """By a stand-in for the hub, which has the weights in the old form only."""
    asked, seen = [], []
    there = ["config.json", "unet/config.json", "weights.bin", "picture.png"]

    def download(name, revision, allow_patterns, local_files_only=False, tqdm_class=None):
        if local_files_only:
            raise FileNotFoundError(name)
        asked.append(allow_patterns)
        with tqdm_class(total=3 << 20, unit="B", desc="bytes", mininterval=0) as bar:
            bar.update(1 << 20)
            bar.update(2 << 20)
        return str(snapshot)

    def listed(hub, name, revision, timeout):
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in there])

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", listed)
    listener = progress.Listener(step=lambda *step: seen.append(step), note=lambda fact: None)
    with progress.listening(listener), caplog.at_level("INFO", "nic"):
        assert folder(SOURCE, None, FILES) == snapshot
    assert asked == [["config.json", "unet/*.json", "weights.bin"]]
    assert ("downloading someone/model (MB)", 1, 3) in seen
    assert "someone/model is not on this machine: it is downloaded once (2.6 GB)" in caplog.text

    there.remove("weights.bin")
    with pytest.raises(NicError, match=r"its revision v1 has no weights\.safetensors or weights\.bin"):
        folder(SOURCE, None, FILES)
    assert len(asked) == 1
