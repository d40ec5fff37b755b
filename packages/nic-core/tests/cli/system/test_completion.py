"""Words that shells complete: as real bash, zsh and fish ask for them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from nic_core.cli import run
from nic_core.cli.system.completion import SHELLS

BASH = r"""
eval "$(nic --completion bash)"
shopt -s progcomp
words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    compopt() { printf 'compopt -o %s\n' "$2"; }
    _nic_completion nic
    printf '%s\n' "${COMPREPLY[@]}"
}
"""


def on_path(folder: Path) -> dict[str, str]:
    """Return an environment in which `nic` is this interpreter's."""
    program = folder / "bin" / "nic"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nic_core "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("nic enc", ["encode"]),
        ("nic encode --target-b", ["--target-bpp"]),
        ("nic encode --codec zip-", ["zip-bare", "zip-rate"]),
        ("nic encode --codec zip-rate --weights l", ["low"]),
        ("nic weights import zip-b", ["zip-bare"]),
        ("nic encode ph", ["compopt -o default"]),
        ("nic decode -o ph", ["compopt -o default"]),
        ("nic encode --weights ./w", ["compopt -o default"]),
        ("nic desktop ins", ["install"]),
        ("nic hel", ["hello"]),
    ],
)
def test_what_bash_completes(fake: ModuleType, tmp_path: Path, words: str, completed: list[str]) -> None:
    script = f"{BASH}\nwords {words}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=on_path(tmp_path), check=True)
    assert sorted(filter(None, done.stdout.split("\n"))) == completed, done.stderr


TYPED = """
import os, pty, select, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
def said(until, seconds=60):
    text, end = "", time.monotonic() + seconds
    while until not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text
os.write(terminal, b"PS1='ready '; bind 'set enable-bracketed-paste off'\\n")
os.write(terminal, b"eval \\"$(nic --completion bash)\\"; echo lo''aded\\n")
said("loaded")
os.write(terminal, sys.argv[1].encode() + b"\\t")
print(repr(said(sys.argv[2])))
os.close(terminal)
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(("typed", "shown"), [("nic enc", "encode "), ("nic encode a-pho", "a-photo.png ")])
def test_what_is_typed_into_a_terminal(fake: ModuleType, tmp_path: Path, typed: str, shown: str) -> None:
    (tmp_path / "a-photo.png").touch()
    command = [sys.executable, "-c", TYPED, typed, shown]
    done = subprocess.run(command, capture_output=True, text=True, env=on_path(tmp_path), cwd=tmp_path, timeout=150)
    assert shown in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_sound(shell: str, fake: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["--completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_NIC_COMPLETE={shell}_complete" in script
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_what_fish_completes(fake: ModuleType, tmp_path: Path) -> None:
    script = 'nic --completion fish | source; complete --do-complete "nic encode --codec zip-r"'
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, env=on_path(tmp_path), check=True)
    assert done.stdout.split("\t")[0] == "zip-rate", done.stderr


def test_another_shell(capsys: pytest.CaptureFixture) -> None:
    assert run(["--completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
