"""Codecs of others: the skeletons, the examples and the guide, each installed in an environment of its own."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

sys.path.append(str(Path(__file__).parent))
from fresh_environment import Stranger

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "write-a-plugin.md"
PYTEST = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    work = tmp_path / "work"
    for folder, names in (("photos", ("astronaut", "coffee", "chelsea")), ("held-out", ("rocket", "cat"))):
        (work / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.fromarray(getattr(data, name)()).resize((192, 160)).save(work / folder / f"{number}.png")
    return Stranger(tmp_path / "environment", work)


def test_the_pixel_skeleton_is_a_codec(stranger: Stranger) -> None:
    stranger.run("nic", "new-plugin", "skeleton")
    stranger.install("./nic-skeleton")
    assert "skeleton" in stranger.run("nic", "codecs")
    assert " passed" in stranger.run(*PYTEST, "nic-skeleton")
    stranger.run("nic", "encode", "photos/0.png", "--codec", "skeleton", "-o", "a.nic")
    stranger.run("nic", "decode", "a.nic", "-o", "a.png")
    pictures = [Image.open(stranger.work / name) for name in ("a.png", "photos/0.png")]
    assert pictures[0].tobytes() == pictures[1].tobytes()


@pytest.mark.long
def test_the_latent_skeleton_is_a_codec(stranger: Stranger) -> None:
    stranger.run("nic", "new-plugin", "skeleton", "--latent")
    stranger.install("./nic-skeleton")
    said = stranger.run(*PYTEST, "-rs", "nic-skeleton")
    assert " passed" in said and "nic-train is not installed" not in said


@pytest.mark.parametrize("name", ["nic-waves", pytest.param("nic-checkers", marks=pytest.mark.long)])
def test_examples_are_codecs(stranger: Stranger, name: str) -> None:
    shutil.copytree(ROOT / "docs" / "examples" / name, stranger.work / name)
    stranger.install(f"./{name}")
    assert " passed" in stranger.run(*PYTEST, name)


def test_the_example_without_weights_is_smaller_than_png(stranger: Stranger) -> None:
    stranger.install(ROOT / "docs" / "examples" / "nic-waves")
    for photo in (stranger.work / "photos").iterdir():
        stranger.run("nic", "encode", photo, "--codec", "waves", "-o", f"{photo}.nic")
        assert Path(f"{photo}.nic").stat().st_size < 0.95 * photo.stat().st_size


@pytest.mark.long
def test_every_command_of_the_guide(stranger: Stranger) -> None:
    """What is installed by pip is here installed by uv, without dependencies; and training takes seconds."""
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL) for line in block.splitlines()
    ]
    assert len(commands) > 15
    for command in commands:
        words = shlex.split(command.replace("--minutes 8", "--minutes 0.1 --set batch=2"))
        if words[:2] == ["pip", "install"]:
            if words[2] == "-e":
                stranger.install("-e", f"./{words[3]}")
        elif words[:2] == ["pip", "wheel"]:
            stranger.wheel(words[-1], words[-2])
        else:
            stranger.run(*words)
    assert (stranger.work / "report" / "report.html").exists()
    assert list((stranger.work / "wheels").glob("nic_mine-*.whl"))
    assert Image.open(stranger.work / "b.png").size == (192, 160)
