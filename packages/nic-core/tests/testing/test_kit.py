"""The kit finds what is wrong with a codec and says what to do: here the skeleton, broken on purpose."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from nic_core.cli.new_plugin.names import Names
from nic_core.cli.new_plugin.skeleton import contents
from nic_core.testing import CodecTests, differs

NAMES = Names("broken")
PLUGIN, CODEC = "src/nic_broken/plugin.py", "src/nic_broken/codec.py"


@dataclass(frozen=True)
class Fault:
    """A change of a file's text, the test that notices it, and what that says; also: more changes."""

    file: str
    old: str
    new: str
    test: str
    says: str
    also: tuple[tuple[str, str], ...] = ()


COMPRESS = "        return Coded("
FAULTS = {
    "heavy plugin": Fault(
        PLUGIN, "from nic_core.hooks", "import numpy\nfrom nic_core.hooks", "listing", "listing codecs imports numpy"
    ),
    "eager plugin": Fault(
        PLUGIN, "from nic_core.hooks", "import nic_broken.codec\nfrom nic_core.hooks", "listing", "nic_broken.codec"
    ),
    "a target that is not there": Fault(
        PLUGIN, "codec:Broken", "codec:Missing", "records_point", "points to 'nic_broken.codec:Missing'"
    ),
    "a default out of range": Fault(PLUGIN, "int, 6,", "int, 60,", "without_error", "effort must be 1 to 9, not 60"),
    "lost columns": Fault(CODEC, "Decoded(pixels,", "Decoded(pixels[:, 1:],", "any_picture", "decodes to uint8"),
    "lossy": Fault(CODEC, "Decoded(pixels,", "Decoded(pixels ^ 1,", "any_picture", "pixels differ by up to 1 levels"),
    "chance": Fault(
        CODEC, 'coder="zlib")', 'coder="zlib", params=__import__("os").urandom(4))', "any_picture", "gives another file"
    ),
    "no checksum": Fault(
        CODEC,
        "Decoded(pixels, zlib.crc32(symbols))",
        "pixels",
        "symbols_are_checked",
        "return Decoded(pixels, checksum)",
    ),
    "a checksum over little": Fault(
        CODEC,
        "zlib.crc32(symbols)",
        "zlib.crc32(symbols[:9])",
        "damaged_stream",
        "must cover every symbol",
        also=(('options["effort"])', 'options["effort"])[2:-4]'), ("decompressobj()", "decompressobj(-15)")),
    ),
    "more bytes": Fault(CODEC, " or inflate.unused_data", "", "one_form", "compare what is left with nothing"),
    "errors of others": Fault(
        CODEC,
        "except zlib.error as error",
        "except KeyError as error",
        "damaged_files",
        "do not end in an error of nic",
    ),
    "a loop without end": Fault(
        CODEC,
        "except zlib.error as error:\n",
        "except zlib.error as error:\n        while data:\n            pass\n",
        "damaged_files",
        "bound every loop",
    ),
    "one thread at a time": Fault(
        CODEC,
        COMPRESS,
        "        import time\n        if hasattr(Broken, 'busy'):\n            raise RuntimeError('busy')\n"
        f"        Broken.busy = True\n        time.sleep(0.3)\n        del Broken.busy\n{COMPRESS}",
        "threads",
        "where four threads open the codec at once, one fails: PluginFault",
    ),
    "memory": Fault(
        CODEC,
        COMPRESS,
        f"        globals().setdefault('kept', []).append(np.ones((9, *pixels.shape)))\n{COMPRESS}",
        "memory",
        "what keeps references",
    ),
}


@pytest.fixture
def tested(install: Callable[..., Path]) -> Callable[..., str]:
    """Return a function that installs the skeleton, with a fault or without, and returns what its tests say."""

    def run(fault: Fault | None = None, *arguments: str) -> str:
        files = {str(path): text for path, text in contents("pixel", NAMES).items()}
        if fault:
            for old, new in ((fault.old, fault.new), *fault.also):
                assert old in files[fault.file]
                files[fault.file] = files[fault.file].replace(old, new)
        files = {name.removeprefix("src/"): text for name, text in files.items()}
        test = files["tests/test_codec.py"]
        files["tests/test_codec.py"] = test.replace(
            "    lossless", "    patience = 1.0\n    large = 40_000\n    lossless"
        )
        site = install(NAMES.distribution, files, "broken = nic_broken.plugin")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            str(site),
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=site).stdout

    return run


def test_the_skeleton_passes(tested: Callable[..., str]) -> None:
    said = tested(None, "-rs")
    assert " passed" in said and "failed" not in said and "error" not in said, said
    for reason in ("has no tiles", "takes pictures of any size", "has one runtime", "makes no estimate"):
        assert reason in said


@pytest.mark.long
@pytest.mark.parametrize("name", list(FAULTS))
def test_what_is_broken_is_found(tested: Callable[..., str], name: str) -> None:
    fault = FAULTS[name]
    said = tested(fault, "-k", fault.test)
    assert " failed" in said, said
    assert fault.says in " ".join(said.split()), said


def test_replacing_a_test_in_silence_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"TestMine.test_pickles replaces a test .* @differs"):

        class TestMine(CodecTests):
            def test_pickles(self) -> None:
                pass

    with pytest.raises(TypeError, match="test_pickles"):
        type("TestMine", (CodecTests,), {"test_pickles": None})
    with pytest.raises(TypeError, match="test_pickles"):
        type("TestMine", (type("Mixin", (), {"test_pickles": lambda self: None}), CodecTests), {})


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_difference_needs_a_reason(reason: str) -> None:
    with pytest.raises(ValueError, match="say why"):
        differs(reason)


def test_a_marked_difference_still_has_to_hold_and_is_shown() -> None:
    class TestMine(CodecTests):
        @differs("it holds a file open")
        def test_pickles(self, hold: bool) -> None:
            assert hold, "not held"

    with pytest.raises(pytest.skip.Exception, match="differs from the kit: it holds a file open"):
        TestMine().test_pickles(True)
    with pytest.raises(AssertionError, match="not held"):
        TestMine().test_pickles(False)
