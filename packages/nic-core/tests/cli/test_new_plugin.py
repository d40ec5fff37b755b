"""`nic new-plugin`: names that are taken or none, and nothing overwritten. What it writes is tested in tests/."""

from pathlib import Path
from types import ModuleType

import pytest
from nic_core.cli import run
from nic_core.cli.new_plugin.names import Names
from nic_core.cli.new_plugin.skeleton import contents


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("latent", [False, True])
def test_what_is_written_and_what_is_next(latent: bool, capsys: pytest.CaptureFixture) -> None:
    assert run(["new-plugin", "two-words", *["--latent"] * latent]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("files of nic-two-words are in nic-two-words; next:")
    assert [line.strip() for line in said[1:3]] == [
        "pip install -e 'nic-two-words[test]'",
        "python -m pytest nic-two-words",
    ]
    assert (
        said[3].strip().startswith("nic train two-words --data" if latent else "nic encode photo.jpg --codec two-words")
    )
    assert len(said) == 4
    folder = Path("nic-two-words")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        ".github/workflows/tests.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/nic_two_words/__init__.py",
        "src/nic_two_words/codec.py",
        "src/nic_two_words/plugin.py",
        "tests/test_codec.py",
    }
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "$" not in text.replace("${{ matrix.python }}", "")
    assert "class TwoWords" in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Foo", "lower-case letters and digits"),
        ("a--b", "single hyphens between"),
        ("a_b", "lower-case letters"),
        ("-a", "No such option"),
        ("a-", "single hyphens"),
        ("4k", "begins with a letter"),
        ("../up", "lower-case letters"),
        ("a" * 41, "at most 40"),
        ("", "lower-case letters"),
        ("nic-foo", "leave out 'nic-', the distribution gets it by itself: foo"),
        ("class", "a word of Python"),
        ("mini", "name of nic's own"),
        ("train", "name of nic's own"),
        ("tbtc", "name of nic's own"),
        ("zip", "there is a codec 'zip' already, of nic-fake"),
        ("fake", "choose another"),
    ],
)
def test_names_that_cannot_be(fake: ModuleType, name: str, says: str, capsys: pytest.CaptureFixture) -> None:
    assert run(["new-plugin", name]) != 0
    said = capsys.readouterr().err
    assert says in said
    assert not list(Path().glob("nic-*"))


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture) -> None:
    Path("nic-mine").mkdir()
    Path("nic-mine/README.md").write_text("mine")
    assert run(["new-plugin", "mine"]) == 1
    assert "nic-mine is there already: nothing is overwritten" in capsys.readouterr().err
    assert [path.name for path in Path("nic-mine").iterdir()] == ["README.md"]
    assert Path("nic-mine/README.md").read_text() == "mine"
    Path("file").write_text("mine")
    assert run(["new-plugin", "mine", "-o", "file"]) == 1
    Path("empty").mkdir()
    assert run(["new-plugin", "mine", "-o", "empty"]) == 0
    assert Path("empty/pyproject.toml").exists()


@pytest.mark.parametrize("kind", ["pixel", "latent"])
def test_files_are_valid(kind) -> None:
    for path, text in contents(kind, Names("two-words")).items():
        assert text.endswith("\n"), path
        if path.suffix == ".py":
            compile(text, str(path), "exec")
            assert max(map(len, text.splitlines())) <= 120, path
