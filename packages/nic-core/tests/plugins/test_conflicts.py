"""Names that several plugins bring: shown in full, and no hindrance to anything else."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nic_core as nic
import numpy as np
import pytest
from nic_core import plugins
from nic_core.cli import CORE, run
from nic_core.engines.engine import Wanted, open_engine
from nic_core.errors import NoEngine, PluginFault
from nic_core.plugins.conflicts import conflicts
from PIL import Image

Install = Callable[..., Path]
HEAD = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, CommandSpec, ImporterSpec, Option, RecipeSpec, WeightsSpec
api_version = "1.0"
"""


def bringing(hook: str, *records: str) -> str:
    """Return the source of a plugin that yields records."""
    return HEAD + f"@hookimpl\ndef {hook}():\n" + "".join(f"    yield {record}\n" for record in records)


@pytest.fixture
def two(install: Install) -> Callable[..., list[str]]:
    """Return a function that installs two plugins by their sources and returns the texts of all conflicts."""

    def put(one: str, other: str) -> list[str]:
        install("nic-one", {"plugin_one.py": one}, "one = plugin_one")
        install("nic-two", {"plugin_two.py": other}, "two = plugin_two")
        return [conflict.text for conflict in conflicts(spec.name for spec in CORE)]

    return put


UNUSED = "it cannot be used before one is uninstalled or disabled (plugins one, two)"


@pytest.mark.parametrize(
    ("hook", "record", "says"),
    [
        ("nic_codecs", 'CodecSpec("same", "a:B", "S.")', f"the codec 'same'; {UNUSED}"),
        ("nic_commands", 'CommandSpec("same", "a:b", "S.")', f"the verb 'same'; {UNUSED}"),
        (
            "nic_importers",
            'ImporterSpec("x", "a:b", "S.")',
            "the importer of 'x'; that of nic-one is used (plugins one, two)",
        ),
        (
            "nic_recipes",
            'RecipeSpec("r", "x", "a:B", "S.")',
            "the recipe 'x r'; that of nic-one is used (plugins one, two)",
        ),
        (
            "nic_weights",
            'WeightsSpec("x", "w", "nowhere")',
            "the weights 'x@w'; the higher rank is used, else those of nic-one (plugins one, two)",
        ),
    ],
)
def test_two_providers_of_one_name(two: Callable[..., list[str]], hook: str, record: str, says: str) -> None:
    assert two(bringing(hook, record), bringing(hook, record)) == [f"nic-one and nic-two both bring {says}"]


@pytest.mark.parametrize(
    ("hook", "record", "says"),
    [
        ("nic_commands", 'CommandSpec("{}", "a:b", "S.")', "the verb 'same' of nic-one and 'Same' of nic-two"),
        ("nic_recipes", 'RecipeSpec("{}", "x", "a:B", "S.")', "the recipe 'x same' of nic-one and 'x Same' of nic-two"),
        ("nic_weights", 'WeightsSpec("x", "{}", "n")', "the weights 'x@same' of nic-one and 'x@Same' of nic-two"),
    ],
)
def test_names_that_differ_only_in_capitals(two: Callable[..., list[str]], hook: str, record: str, says: str) -> None:
    found = two(bringing(hook, record.format("same")), bringing(hook, record.format("Same")))
    assert found == [f"{says} differ only in capitals"]


def test_names_of_their_own_are_no_conflict(two: Callable[..., list[str]]) -> None:
    records = 'RecipeSpec("r", "x", "a:B", "S.")', 'RecipeSpec("r", "y", "a:B", "S.")'
    assert two(bringing("nic_recipes", records[0]), bringing("nic_recipes", records[1])) == []


def test_a_verb_that_core_has(two: Callable[..., list[str]]) -> None:
    verb = 'CommandSpec("encode", "a:b", "S.")'
    assert two(bringing("nic_commands", verb), bringing("nic_codecs", 'CodecSpec("x", "a:B", "X.")')) == [
        "the verb 'encode' of nic-one is passed over: nic itself has it"
    ]


def test_one_plugin_can_bring_a_name_twice(install: Install) -> None:
    record = 'CodecSpec("same", "a:B", "S.")'
    install("nic-one", {"plugin_one.py": bringing("nic_codecs", record, record)}, "one = plugin_one")
    assert [conflict.text for conflict in conflicts()] == [
        "nic-one brings the codec 'same' twice; it cannot be used before one is uninstalled or disabled"
    ]


def test_conflicts_are_shown(two: Callable[..., list[str]], fake: ModuleType, capsys: pytest.CaptureFixture) -> None:
    (text,) = two(*[bringing("nic_codecs", 'CodecSpec("same", "a:B", "S.")')] * 2)
    for verb in ("plugins", "codecs"):
        assert run([verb]) == 0
        assert f"conflict: {text}\n" in capsys.readouterr().out
    assert run(["plugins", "--json"]) == 0
    rows = {row["name"]: row["conflicts"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"fake": [], "one": [text], "two": [text]}
    assert run(["codecs", "--json"]) == 0
    rows = {row["id"]: row["conflicts"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"same": [text], "zip": [], "zip-bare": [], "zip-rate": []}


def test_a_conflict_concerns_only_who_uses_the_name(
    two: Callable[..., list[str]],
    fake: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = bringing("nic_codecs", 'CodecSpec("same", "a:B", "S.")')
    source += '@hookimpl\ndef nic_weights():\n    yield WeightsSpec("same", "w", "nowhere", rank=99)\n'
    verb = '@hookimpl\ndef nic_commands():\n    yield CommandSpec("twice", "a:b", "S.")\n'
    two(source + verb, source + verb)
    picture = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(picture)
    assert run(["encode", str(picture)]) == 0
    assert nic.inspect(picture.with_suffix(".nic")).codec == "zip"
    says = "nic-one and nic-two both bring a codec 'same', which is passed over: see 'nic plugins'"
    assert caplog.record_tuples == [("nic", logging.WARNING, says)]
    capsys.readouterr()
    assert run(["encode", str(picture), "--codec", "same", "--overwrite"]) == 1
    assert "nic-one and nic-two both bring a codec 'same'; uninstall one, or set NIC_DIS" in capsys.readouterr().err
    assert run(["twice"]) == 1
    assert "nic-one and nic-two both bring a verb 'twice'; uninstall one, or set NIC_DIS" in capsys.readouterr().err
    assert run(["--help"]) == 0


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (HEAD + "def nic_codecs():\n    return []\n", "nic_codecs without @hookimpl is not used"),
        (
            HEAD + "def nic_codecs():\n    return []\ndef nic_wieghts():\n    return []\n",
            "nic_codecs, nic_wieghts without @hookimpl are not used",
        ),
        (bringing("nic_codecs", 'CodecSpec("x", "a:B", "X.")') + "def nic_helper():\n    pass\n", ""),
        (
            bringing("nic_codecs", 'CodecSpec("x", "a:B", "X.")') + "def nic_weights():\n    return []\n",
            "nic_weights without @hookimpl is not used",
        ),
        (HEAD, "it brings nothing: its module has none of the hooks nic_codecs, nic_weights, nic_importers, nic_"),
    ],
)
def test_hooks_that_are_never_called(install: Install, capsys: pytest.CaptureFixture, source: str, error: str) -> None:
    install("nic-new", {"new_plugin.py": source}, "new = new_plugin")
    (plugin,) = plugins.installed()
    assert plugin.error.startswith(error) and bool(plugin.error) == bool(error)
    assert run(["plugins"]) == 0
    assert (f"failed: {error}" in capsys.readouterr().out) == bool(error)


@pytest.mark.parametrize(
    ("hook", "record", "error"),
    [
        ("nic_weights", 'WeightsSpec("x", "w", "n", rank="9")', "nic_weights yielded a WeightsSpec with rank = '9'"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", rank=None)', "a WeightsSpec with rank = None"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", rank=1001)', "a WeightsSpec with rank = 1001, beyond 1000"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", quality="50")', "a WeightsSpec with quality = '50'"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", quality=0)', "a WeightsSpec with quality = 0, which is 1 to 100"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", quality=(9, 2))', "a WeightsSpec with quality = (9, 2), which"),
        ("nic_weights", 'WeightsSpec("x", "w", "n", quality=(1, 2, 3))', "a WeightsSpec with quality = (1, 2, 3)"),
        ("nic_weights", 'WeightsSpec("x", 5, "n")', "a WeightsSpec with name = 5"),
        ("nic_codecs", 'CodecSpec("x", "a:B", None)', "a CodecSpec with summary = None"),
        ("nic_codecs", 'CodecSpec("x", "a:B", "X.", gray=1)', "a CodecSpec with gray = 1"),
        ("nic_codecs", 'CodecSpec("x", "a:B", "X.", options=[])', "a CodecSpec with options = []"),
        (
            "nic_codecs",
            'CodecSpec("x", "a:B", "X.", options=(Option("o", list, None, "O."),))',
            "a CodecSpec with option o of type list, which is none of str, int, float, bool",
        ),
        (
            "nic_codecs",
            'CodecSpec("x", "a:B", "X.", options=(Option("o", int, 5, "O.", maximum=4),))',
            "a CodecSpec with option whose default is none: o must be at most 4, not 5",
        ),
        ("nic_commands", 'CommandSpec("x", "a:b", 5)', "a CommandSpec with summary = 5"),
        ("nic_recipes", 'RecipeSpec("r", "x", "a:B", "S.", {5: 6})', "a RecipeSpec with values = {5: 6}"),
    ],
)
def test_records_hold_what_their_fields_say(
    install: Install, fake: ModuleType, hook: str, record: str, error: str
) -> None:
    install("nic-new", {"new_plugin.py": bringing(hook, record)}, "new = new_plugin")
    (report,) = [plugin for plugin in plugins.installed() if plugin.name == "new"]
    assert error in report.error and report.everything == []
    assert nic.decode(nic.encode(np.zeros((2, 3, 3), np.uint8))).size == (3, 2)


def test_two_engines_of_one_name(two: Callable[..., list[str]]) -> None:
    source = "from nic_core.spec import EngineSpec\n" + bringing("nic_engines", 'EngineSpec("many", "a:B", "S.")')
    assert two(source, source) == [
        "nic-one and nic-two both bring the engine 'many'; it cannot be used before one is uninstalled or disabled "
        "(plugins one, two)"
    ]
    with pytest.raises(NoEngine, match="nic-one and nic-two both bring an engine 'many'; uninstall one, or set NIC_"):
        open_engine("many", Wanted())
    with pytest.raises(NoEngine, match="no installed package brings the engine 'few'; installed: local, many"):
        open_engine("few", Wanted())


def test_an_engine_that_cannot_be_imported_is_its_plugins_fault(two: Callable[..., list[str]]) -> None:
    source = "from nic_core.spec import EngineSpec\n" + bringing("nic_engines", 'EngineSpec("many", "nowhere:B", "S.")')
    two(source, HEAD)
    with pytest.raises(PluginFault, match=r"the engine many .*failed in its start: .*nowhere"):
        open_engine("many", Wanted())
