"""Typed options: what is read from text or Python values, and what is refused with which words."""

from typing import Any

import click
import pytest
from click.testing import CliRunner
from nic_core.cli.flags import with_options
from nic_core.errors import BadOption
from nic_core.spec import CodecSpec, Option, resolve


def option(type: type, **more: Any) -> Option:
    """Return an option without a default."""
    return Option("some-name", type, None, "Help.", **more)


@pytest.mark.parametrize(
    ("option", "given", "parsed"),
    [
        (option(int), "7", 7),
        (option(int), 7.0, 7),
        (option(int, minimum=3), 3, 3),
        (option(float), "1e-3", 0.001),
        (option(float, minimum=0, maximum=1), 1, 1.0),
        (option(str), "a b", "a b"),
        (option(str, choices=("x", "y")), "y", "y"),
        (option(bool), "Yes", True),
        (option(bool), "0", False),
        (option(bool), True, True),
    ],
)
def test_values_become_the_type(option: Option, given: Any, parsed: Any) -> None:
    value = option.parse(given)
    assert value == parsed
    assert type(value) is option.type


@pytest.mark.parametrize(
    ("option", "given", "expects"),
    [
        (option(int), "7.5", "of type int"),
        (option(int), 7.5, "of type int"),
        (option(int), float("inf"), "of type int"),
        (option(int), "", "of type int"),
        (option(int, minimum=3), 2, "at least 3"),
        (option(int, maximum=3), 4, "at most 3"),
        (option(float), "much", "of type float"),
        (option(float), 10**400, "of type float"),
        (option(float), [1], "of type float"),
        (option(float), "nan", "of type float"),
        (option(float, minimum=0, maximum=1), "nan", "0 to 1"),
        (option(float, minimum=0, maximum=1), "inf", "0 to 1"),
        (option(float, minimum=0, maximum=1), -0.1, "0 to 1"),
        (option(str, choices=("x", "y")), "z", r"x \| y"),
        (option(str), 3, "of type str"),
        (option(float), True, "of type float"),
        (option(bool), "perhaps", "of type bool"),
        (option(bool), 2, "of type bool"),
    ],
)
def test_other_values_are_refused_by_name(option: Option, given: Any, expects: str) -> None:
    with pytest.raises(BadOption, match=rf"some-name must be {expects}, not ") as caught:
        option.parse(given)
    assert str(caught.value).endswith(repr(given))


SPEC = CodecSpec(
    "some-codec",
    "nowhere:Codec",
    "Summary.",
    options=(
        Option("guidance-scale", float, 2.5, "Help.", minimum=0),
        Option("text", str, None, "Help."),
        Option("realism", float, 1.0, "Help.", when="decode"),
    ),
)


def test_a_codec_fills_in_its_defaults() -> None:
    assert SPEC.options_for("encode", {}) == {"guidance_scale": 2.5, "text": None}
    assert SPEC.options_for("encode", {"guidance-scale": "3"}) == {"guidance_scale": 3.0, "text": None}
    assert SPEC.options_for("encode", {"guidance_scale": None, "text": "x"}) == {"guidance_scale": 2.5, "text": "x"}
    assert SPEC.options_for("decode", {"realism": 0}) == {"realism": 0.0}


def test_a_codec_names_what_it_does_not_know() -> None:
    with pytest.raises(BadOption, match="some-codec has no encode option 'realism'; it has guidance-scale, text"):
        SPEC.options_for("encode", {"realism": 1})
    with pytest.raises(BadOption, match="bare has no decode option 'x'; it has none"):
        CodecSpec("bare", "nowhere:Codec", "Summary.").options_for("decode", {"x": 1})
    tabled = CodecSpec("some-codec", "nowhere:Codec", "Summary.", options=(Option("text", str, "", "", table="texts"),))
    with pytest.raises(BadOption, match=r"give text: texts is a table, which nic_core\.EncodeOptions reads"):
        tabled.options_for("encode", {"texts": "texts.json"})
    with pytest.raises(BadOption, match="no encode option 'test'; it has text, texts"):
        tabled.options_for("encode", {"test": "x"})
    with pytest.raises(BadOption, match="guidance-scale must be at least 0, not '-1'"):
        SPEC.options_for("encode", {"guidance_scale": "-1"})


@pytest.mark.parametrize("id", ["", "Upper", "with space", "a/b", "../x", "-x", "a" * 64, "é"])
def test_ids_have_a_form(id: str) -> None:
    with pytest.raises(ValueError, match="a codec's id is"):
        CodecSpec(id, "nowhere:Codec", "Summary.")


NOT_FREE = [
    "quality",
    "strip",
    "max-pixels",
    "max-seconds",
    "device",
    "picture",
    "output",
    "format",
    "Upper",
    "a_b",
    "-x",
]


@pytest.mark.parametrize("name", [*NOT_FREE, ""])
def test_option_names_have_a_form_and_are_free(name: str) -> None:
    with pytest.raises(ValueError, match="an option cannot be named"):
        CodecSpec("x", "nowhere:Codec", "Summary.", options=(Option(name, int, 0, "Help."),))


@pytest.mark.parametrize("table", [*NOT_FREE, "level", "seed", "seeds"])
def test_names_of_tables_have_a_form_and_are_free(table: str) -> None:
    options = (Option("level", int, 0, "Help.", table=table), Option("seed", int, 0, "Help.", table="seeds"))
    with pytest.raises(ValueError, match=f"x: a table cannot be named '{table}'"):
        CodecSpec("x", "nowhere:Codec", "Summary.", options=options)


def test_only_encode_options_have_tables() -> None:
    with pytest.raises(ValueError, match="x: realism cannot have a table"):
        CodecSpec("x", "nowhere:Codec", "", options=(Option("realism", int, 0, "Help.", "decode", table="table"),))


def test_targets_are_imported_when_they_are_used() -> None:
    assert resolve("nic_core.spec:Option") is Option
    with pytest.raises(ImportError):
        resolve(SPEC.target)


def test_two_options_of_one_name() -> None:
    both = option(int), Option("some-name", str, None, "Help.", "decode")
    assert CodecSpec("x", "a:B", "X.", options=both).settings("decode") == ["some-name"]
    with pytest.raises(ValueError, match="x: two encode options have one name"):
        CodecSpec("x", "a:B", "X.", options=(both[0], both[0]))


def test_a_target_of_another_form() -> None:
    with pytest.raises(ValueError, match=r"'math.sqrt' is not of the form module:attribute"):
        resolve("math.sqrt")


def test_a_verb_takes_options_as_flags() -> None:
    steps, deep = Option("steps", int, 5, "How many.", minimum=1), Option("deep", bool, None, "Further down.")
    got: dict[str, Any] = {}

    @click.command()
    @with_options([steps, deep])
    def verb(**values: Any) -> None:
        got.update(values)

    assert CliRunner().invoke(verb, []).exit_code == 0
    assert got == {"steps": 5, "deep": None}
    assert CliRunner().invoke(verb, ["--steps", "7", "--no-deep"]).exit_code == 0
    assert got == {"steps": 7, "deep": False}
    refused = CliRunner().invoke(verb, ["--steps", "0"]).exception
    assert isinstance(refused, BadOption)
    assert str(refused) == "steps must be at least 1, not '0'"
    told = CliRunner().invoke(verb, ["--help"]).output
    assert "How many. [at least 1; default 5]" in told
