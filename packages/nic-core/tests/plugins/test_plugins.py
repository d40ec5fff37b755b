"""Discovery: one broken plugin never hides another, and every report says what is wrong."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from nic_core import plugins
from nic_core.errors import CodecNotFound, NicError
from nic_core.plugins import Plugin
from nic_core.plugins.versions import check_version

Install = Callable[..., Path]

HEAD = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, CommandSpec
api_version = "1.0"
"""
CODECS = HEAD + '@hookimpl\ndef nic_codecs():\n    yield CodecSpec("{id}", "nowhere:Codec", "Summary.")\n'


def reports() -> dict[str, Plugin]:
    """Return the reports by plugin name."""
    return {plugin.name: plugin for plugin in plugins.installed()}


def test_what_a_plugin_brings(fake: ModuleType) -> None:
    report = reports()["fake"]
    assert (report.distribution, report.version, report.error) == ("nic-fake", "1.2", "")
    assert {hook: len(found) for hook, found in report.records.items()} == {
        "nic_codecs": 3,
        "nic_weights": 3,
        "nic_importers": 1,
        "nic_checkpoints": 0,
        "nic_recipes": 1,
        "nic_commands": 1,
        "nic_engines": 0,
    }
    assert [spec.id for spec in plugins.list_codecs()] == ["zip", "zip-bare", "zip-rate"]
    assert plugins.codec_spec("zip").target == "nic_fake.codec:ZipCodec"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("syntax error", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise ValueError", "ValueError"),
        ("class Odd(Exception):\n    __str__ = None\nraise Odd", "Odd"),
        ("", 'states no api_version: its module says api_version = "1.2", or the version that it was written for'),
        ("api_version = 2", "states api_version = 2, which is none"),
        ("api_version = 1.1", "states api_version = 1.1, which is none"),
        ("api_version = True", "states api_version = True, which is none"),
        ("api_version = '1.0.0'", "states api_version = '1.0.0', which is none"),
        ("api_version = '1.999'", "was written for plugin API 1.999, this nic-core has 1.2: upgrade nic-core"),
        ("api_version = '2.0'", "was written for plugin API 2.0, this nic-core has 1.2: upgrade nic-core"),
        ("api_version = '0.9'", "was written for plugin API 0.9, this nic-core has 1.2: upgrade nic-broken"),
        (HEAD + "@hookimpl\ndef nic_codecs():\n    return [1 / 0]", "ZeroDivisionError: division by zero"),
        (HEAD + "@hookimpl\ndef nic_codecs():\n    return 5", "TypeError"),
        (HEAD + "@hookimpl\ndef nic_codecs():\n    yield 'mini'", "nic_codecs yielded str instead of CodecSpec"),
        (CODECS.format(id="No ID"), "a codec's id is lower-case letters, digits and hyphens, at most 63, not 'No ID'"),
        (HEAD + "@hookimpl\ndef nic_codec():\n    yield 1", "nic_codec"),
    ],
)
def test_a_broken_plugin_is_a_report(install: Install, source: str, error: str) -> None:
    install("nic-broken", {"broken_plugin.py": source}, "broken = broken_plugin")
    install("nic-sound", {"sound_plugin.py": CODECS.format(id="sound")}, "sound = sound_plugin")
    found = reports()
    assert error in found["broken"].error
    assert "\n" not in found["broken"].error
    assert found["sound"].error == ""
    assert plugins.codec_spec("sound").id == "sound"
    with pytest.raises(CodecNotFound, match="nic-broken failed to load, see 'nic plugins'"):
        plugins.codec_spec("broken")


def test_a_plugin_of_before_states_a_whole_number(install: Install) -> None:
    install("nic-old", {"old_plugin.py": CODECS.format(id="old").replace('"1.0"', "1")}, "old = old_plugin")
    assert reports()["old"].error == ""


@pytest.mark.parametrize("stated", [1, "1.0", "1.1", "1.3"])
def test_a_plugin_runs_where_the_minor_has_grown(stated: object) -> None:
    check_version(stated, "nic-x", (1, 3))


@pytest.mark.parametrize(
    ("stated", "own", "upgrade"),
    [
        ("1.4", (1, 3), "plugin API 1.4, this nic-core has 1.3: upgrade nic-core"),
        ("2.0", (1, 3), "plugin API 2.0, this nic-core has 1.3: upgrade nic-core"),
        ("1.3", (2, 0), "plugin API 1.3, this nic-core has 2.0: upgrade nic-x"),
        (1, (2, 0), "plugin API 1.0, this nic-core has 2.0: upgrade nic-x"),
        ("1.9", (1, 10), ""),
        ("1.10", (1, 9), "plugin API 1.10, this nic-core has 1.9: upgrade nic-core"),
    ],
)
def test_other_versions_say_what_to_upgrade(stated: object, own: tuple[int, int], upgrade: str) -> None:
    if not upgrade:
        check_version(stated, "nic-x", own)
        return
    with pytest.raises(NicError, match=f"{upgrade}$"):
        check_version(stated, "nic-x", own)


def test_a_hook_that_raises_halfway_keeps_what_it_yielded(install: Install) -> None:
    source = CODECS.format(id="half") + "    raise RuntimeError('halfway')\n"
    install("nic-half", {"half_plugin.py": source}, "half = half_plugin")
    assert reports()["half"].error == "RuntimeError: halfway"
    assert plugins.codec_spec("half").id == "half"


def test_two_providers_of_one_id_are_both_named(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("nic-one", {"plugin_one.py": CODECS.format(id="same")}, "one = plugin_one")
    install("nic-two", {"plugin_two.py": CODECS.format(id="same")}, "two = plugin_two")
    assert [spec.id for spec in plugins.list_codecs()] == ["same"]
    with pytest.raises(CodecNotFound, match="nic-one and nic-two both bring a codec 'same'; uninstall one"):
        plugins.codec_spec("same")
    monkeypatch.setenv("NIC_DISABLE_PLUGINS", "two")
    assert plugins.codec_spec("same").id == "same"


def test_allow_list_and_block_list(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        install(f"nic-{name}", {f"{name}_plugin.py": CODECS.format(id=name)}, f"{name} = {name}_plugin")
    assert set(reports()) == {"first", "second"}
    monkeypatch.setenv("NIC_PLUGINS", " first , absent,")
    assert set(reports()) == {"first"}
    monkeypatch.setenv("NIC_DISABLE_PLUGINS", "first")
    assert reports() == {}
    monkeypatch.delenv("NIC_PLUGINS")
    assert "second" in reports()
    assert "first" not in reports()
    monkeypatch.setenv("NIC_PLUGINS", "")
    assert reports() == {}


def test_a_missing_codec_says_what_to_install(fake: ModuleType) -> None:
    with pytest.raises(CodecNotFound, match=r"'taco' is not installed: pip install nic-taco\. Installed: zip,"):
        plugins.codec_spec("taco")


@pytest.mark.parametrize("codec", ["taco-base", "evil", "x; rm -rf ."])
def test_nothing_is_advised_for_a_name_that_anyone_may_have_written(fake: ModuleType, codec: str) -> None:
    with pytest.raises(CodecNotFound, match="no installed package brings the codec") as caught:
        plugins.codec_spec(codec)
    assert "pip" not in str(caught.value)


def test_no_plugin_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIC_PLUGINS", "")
    with pytest.raises(CodecNotFound, match=r"pip install nic-mini\. Installed: none"):
        plugins.codec_spec("mini")
