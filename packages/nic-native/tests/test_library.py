"""Where the library comes from, and what is said where there is none."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from nic_native import library

PACKAGE = Path(__file__).parents[1]
SOURCES = PACKAGE / "src" / "nic_native"


@pytest.fixture
def compiling(tmp_path: Path) -> ModuleType:
    """Return compiling.py, which compiles into a folder of its own."""
    spec = spec_from_file_location("compiling", PACKAGE / "compiling.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LIBRARY, module.FAILURE = tmp_path / module.LIBRARY.name, tmp_path / module.FAILURE.name
    return module


@pytest.fixture
def load(compiling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(library, "FILE", compiling.LIBRARY)
    monkeypatch.setattr(library, "FAILURE", compiling.FAILURE)
    return library.load.__wrapped__


def test_the_names_are_those_that_are_loaded(compiling: ModuleType) -> None:
    assert compiling.LIBRARY.name == library.FILE.name
    assert compiling.FAILURE.name == library.FAILURE.name
    assert f"#define NIC_INTERFACE {library.INTERFACE}\n" in (SOURCES / "c" / "kernels.h").read_text()


def test_it_compiles_and_loads(compiling: ModuleType, load: object) -> None:
    if compiling.compiler() is None:
        pytest.skip("this machine has no compiler")
    assert compiling.compile_library() == ""
    assert compiling.needed() == []
    found, reason = load()
    assert (found is not None, reason) == (True, "")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-compiler", "the C compiler no-such-compiler did not run when it was installed"),
        (f"{sys.executable} -c 1/0", "failed when it was installed: ZeroDivisionError"),
    ],
)
def test_a_compiler_that_fails_is_told(
    compiling: ModuleType, load: object, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    monkeypatch.setenv("CC", command)
    assert says in compiling.compile_library()
    found, reason = load()
    assert found is None
    assert says in reason


def test_no_compiler_is_told(compiling: ModuleType, load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    compiling.LIBRARY.write_bytes(b"an old one")
    assert compiling.compile_library() == "no C compiler was found when it was installed"
    assert load() == (None, "no C compiler was found when it was installed")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(compiling.platform, "machine", lambda: "x86_64")
    assert compiling.needed() == ["ziglang>=0.13"]
    monkeypatch.setattr(compiling.platform, "machine", lambda: "loongarch64")
    assert compiling.needed() == []


def test_what_is_no_library_is_told(compiling: ModuleType, load: object) -> None:
    assert load() == (None, "it was not compiled")
    compiling.LIBRARY.write_bytes(b"no library")
    assert "its library does not load" in load()[1]


def test_other_sources_are_told(compiling: ModuleType, load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiling.compile_library():
        pytest.skip("this machine has no compiler")
    monkeypatch.setattr(library, "INTERFACE", library.INTERFACE + 1)
    assert load() == (None, "its library was compiled from other sources: install it again")


def test_it_can_be_left_alone() -> None:
    script = (
        "import sys; from nic_core import native; print(native.line()); assert 'numpy' not in sys.modules;"
        "from nic_core.coding import choice; print(type(choice.kernels()).__name__)"
    )
    environment = {**os.environ, "NIC_NATIVE": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "in Python, a few hundred times slower than compiled: NIC_NATIVE=0 is set",
        "PureKernels",
    ]
