"""Configs of generators."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from nic_core import cli
from nic_core.weights import bundled, read_info
from nic_textsketch.config import PIC, PICS, GeneratorConfig, Source


@pytest.mark.parametrize("config", [PIC, PICS])
def test_configs_go_through_json(config):
    assert GeneratorConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    whole = json.loads(json.dumps(config.to_json()))
    whole["guidance"] = 9
    assert GeneratorConfig.from_json(whole).fingerprint == config.fingerprint


def test_the_fingerprint_is_of_all_that_decides_pictures():
    changed = [
        replace(PICS, base=replace(PICS.base, name="other/base")),
        replace(PICS, base=replace(PICS.base, revision="other")),
        replace(PICS, base=replace(PICS.base, variant="")),
        replace(PICS, controlnets={**PICS.controlnets, "hed": Source("other/control")}),
        replace(PICS, controlnets={"hed": PICS.controlnets["hed"]}),
        replace(PICS, scheduler="DDIMScheduler"),
        replace(PICS, steps=24),
        replace(PICS, guidance=8.5),
        replace(PICS, suffix=""),
        replace(PICS, negative=""),
        replace(PICS, size=448),
    ]
    assert len({config.fingerprint for config in (PICS, *changed)}) == len(changed) + 1
    assert replace(PICS, base=replace(PICS.base, gigabytes=1)).fingerprint == PICS.fingerprint


def test_the_bundled_configs_are_the_defaults():
    """Files name them by their fingerprints, so they must never change."""
    found = {spec.codec: spec for spec in bundled("nic_textsketch")}
    for codec, config, fingerprint in (("textsketch-pic", PIC, "e9b8322a"), ("textsketch-pics", PICS, "7fa2eafd")):
        info = read_info(Path(found[codec].location))
        assert GeneratorConfig.from_json(info.config) == config
        assert (info.entropy_id, info.synthesis_id, config.fingerprint) == (fingerprint,) * 3


@pytest.mark.parametrize(
    ("codec", "config", "says"),
    [
        ("textsketch-pic", {}, "it lacks 'base'"),
        ("textsketch-pic", {"base": {"nam": "x"}}, "unexpected keyword argument 'nam'"),
        ("textsketch-pic", {"base": "a/b", "size": 100}, "size must be a multiple of 64 up to 4096, not 100"),
        ("textsketch-pic", {"base": "a/b", "steps": 0}, "steps must be from 1 to 1000, not 0"),
        ("textsketch-pic", {"base": "a/b", "colour": 1}, "unexpected keyword argument 'colour'"),
        ("textsketch-pic", {"base": "a/b", "controlnets": {"hed": "c/d"}}, "without controlnets"),
        ("textsketch-pics", {"base": "a/b"}, "needs a config with controlnets"),
        ("textsketch-pics", {"base": "a/b", "controlnets": {"hedd": "c/d"}}, "'hedd', which is no annotator"),
        ("textsketch-pics", {"base": "a/b", "controlnets": ["hed"]}, "controlnets must be an object"),
        ("textsketch-pic", {"base": 5}, "a model must be a name or an object, not 5"),
        ("textsketch-pic", {"base": {"name": 5}}, "name must be a text, not 5"),
        ("textsketch-pic", {"base": "a/b", "guidance": "x"}, "guidance must be a number, not 'x'"),
        ("textsketch-pic", {"base": "a/b", "guidance": math.nan}, "NaN is no number of JSON"),
        ("textsketch-pic", {"base": "a/b", "negative": 5}, "negative must be a text, not 5"),
        ("textsketch-pic", {"base": "a/b", "steps": 2.5}, "steps must be a whole number, not 2.5"),
        ("textsketch-pic", {"base": "a/b", "size": 64.0}, "size must be a whole number, not 64.0"),
    ],
)
def test_other_json_is_refused(codec, config, says, tmp_path, capsys):
    (tmp_path / "c.json").write_text(json.dumps(config))
    assert cli.run(["weights", "import", codec, str(tmp_path / "c.json"), "-o", str(tmp_path / "w.safetensors")]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "w.safetensors").exists()
