"""Every distribution as it would be published: what it says of itself, and each installed alone."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import release
from nic_core.plugins.published import BASE, DISTRIBUTIONS, TOOLS
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from PIL import Image

ROOT = Path(__file__).parents[1]
MEMBERS = {release.metadata(member)["name"]: member for member in release.members()}
LIGHT = ("nic-core", "nic-native", "nic-latent", "nic-mini", "nic-ray", "nic-zarr")
"""Those that need no torch."""


def requirements(name):
    project = release.metadata(MEMBERS[name])
    optional = project.get("optional-dependencies", {}).values()
    return [Requirement(text) for texts in (project["dependencies"], *optional) for text in texts]


def test_all_distributions_are_known():
    folders = {path.parent for path in ROOT.glob("*/*/pyproject.toml")}
    assert folders == set(MEMBERS.values())
    assert {*BASE, *DISTRIBUTIONS.values(), *TOOLS} == set(MEMBERS)


def test_versions_and_ranges_fit_one_another():
    versions = {name: Version(release.metadata(member)["version"]) for name, member in MEMBERS.items()}
    assert len(set(versions.values())) == 1
    for name in MEMBERS:
        for needed in requirements(name):
            if needed.name == name:
                continue  # one extra that brings another
            if needed.name in versions:
                assert needed.specifier, f"{name} takes any {needed.name}"
                assert needed.specifier.contains(versions[needed.name], prereleases=True), f"{name}: {needed}"
                own, other = (
                    SpecifierSet(release.metadata(MEMBERS[each])["requires-python"]) for each in (name, needed.name)
                )
                if needed in requirements(name)[: len(release.metadata(MEMBERS[name])["dependencies"])]:
                    runs = [f"3.{minor}" for minor in range(8, 20)]
                    assert all(python in other for python in runs if python in own), f"{name}: {needed.name}"


def test_what_they_ask_of_others_can_be_had_together():
    asked = {}
    for name in MEMBERS:
        for needed in requirements(name):
            asked.setdefault(needed.name.lower().replace("_", "-"), []).append((name, needed.specifier))
    for package, ranges in asked.items():
        least = max(
            (Version(s.version.rstrip(".*")) for _, r in ranges for s in r if s.operator in (">=", "==")), default=None
        )
        if least:
            assert all(r.contains(least, prereleases=True) for _, r in ranges), (package, ranges)


@pytest.mark.parametrize("name", MEMBERS)
def test_what_each_says_of_itself(name):
    member, project = MEMBERS[name], release.metadata(MEMBERS[name])
    assert (member / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (member / "src" / name.replace("-", "_") / "py.typed").exists()
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert project["authors"]
    assert len(project["keywords"]) >= 3
    assert {"Homepage", "Documentation", "Repository", "Issues", "Changelog"} <= project["urls"].keys()
    classifiers = project["classifiers"]
    assert "Typing :: Typed" in classifiers
    assert any(classifier.startswith("Development Status ::") for classifier in classifiers)
    named = {
        found[1] for text in classifiers if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))
    }
    assert named
    assert all(python in SpecifierSet(project["requires-python"]) for python in named)
    readme = (member / project["readme"]).read_text(encoding="utf-8")
    assert readme.startswith(f"# {name}\n")
    assert re.search(rf"pip install .*{name}\b", readme)
    assert len(re.findall(r"^(?:```|    )\S*", readme, re.MULTILINE)) >= 2, "a README shows an example"
    assert not re.search(r"\]\((?!https://|#)", readme), "its links lead nowhere on a package index"


@pytest.fixture
def copy(tmp_path):
    """Return a copy of what a release rewrites."""
    for path in [ROOT / "pyproject.toml", *ROOT.glob("*/*/pyproject.toml"), *ROOT.glob("*/*/src/nic_*/__init__.py")]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_one_command_sets_all_versions(copy):
    changed = release.set_version("0.2.0rc1", copy)
    assert {release.metadata(member)["version"] for member in release.members(copy)} == {"0.2.0rc1"}
    text = "".join(path.read_text() for path in copy.rglob("pyproject.toml"))
    assert "==0.1.*" not in text
    assert text.count("==0.2.*") == "".join(path.read_text() for path in ROOT.glob("*/*/pyproject.toml")).count(
        "==0.1.*"
    )
    assert release.set_version("0.2.0rc1", copy) == []
    release.set_version(release.metadata(ROOT / "packages/nic-core")["version"], copy)
    assert all(path.read_bytes() == (ROOT / path.relative_to(copy)).read_bytes() for path in changed)


def test_one_command_sets_all_addresses(copy):
    release.set_address("https://git.example.org/us/nic", copy)
    for member in release.members(copy):
        assert release.metadata(member)["urls"]["Issues"] == "https://git.example.org/us/nic/issues"
    with pytest.raises(ValueError, match="no https address"):
        release.set_address("git@example.org:us/nic", copy)


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0.dev1", "", "0.2.0 "])
def test_what_is_no_version_changes_nothing(copy, version):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="is no version"):
        release.set_version(version, copy)
    assert before == {path: path.read_bytes() for path in before}
    done = subprocess.run(
        [sys.executable, ROOT / "tools/release.py", "version", version], capture_output=True, text=True
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


@pytest.mark.long
def test_wheels_and_sdists_hold_what_they_should(built):
    wheels, sdists = sorted(built.glob("*.whl")), sorted(built.glob("*.tar.gz"))
    assert len(wheels) == len(sdists) == len(MEMBERS)
    for wheel in wheels:
        name = wheel.name.split("-")[0]
        with zipfile.ZipFile(wheel) as files:
            names = files.namelist()
            info = next(each.split("/")[0] for each in names if each.endswith(".dist-info/METADATA"))
            text = files.read(f"{info}/METADATA").decode()
        assert {f"{name}/py.typed", f"{info}/licenses/LICENSE"} <= set(names)
        assert all(each.split("/")[0] in (name, info) for each in names), "only its package goes into a wheel"
        assert "License-Expression: Apache-2.0" in text
        assert "\nProject-URL: Issues, https://" in text
    for sdist in sdists:
        with tarfile.open(sdist) as files:
            names = {each.split("/", 1)[1] for each in files.getnames() if "/" in each}
        assert {"LICENSE", "README.md", "PKG-INFO", "pyproject.toml"} <= names
    native = next(wheel.name for wheel in wheels if wheel.name.startswith("nic_native"))
    assert "-linux_" not in native, "package indexes refuse it"
    assert max(path.stat().st_size for path in (*wheels, *sdists)) < 20e6


def pythons():
    """Return the interpreters on this machine that nic-core runs on."""
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "python", "list", "--only-installed", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    asked = SpecifierSet(release.metadata(MEMBERS["nic-core"])["requires-python"])
    found = {}
    for python in json.loads(listed.stdout):
        if python["implementation"] == "cpython" and python["version"] in asked:
            found.setdefault(python["version"].rsplit(".", 1)[0], python["path"])
    return found


def tried(environment, distributions):
    """Check an environment as a user would: everything imports, fits together, is listed, and nothing is broken."""
    environment.check()
    modules = ", ".join(name.replace("-", "_") for name in distributions)
    environment.said("python", "-c", f"import {modules}")
    versions = environment.said("nic", "--version").splitlines()
    assert versions[0] == f"nic {release.metadata(MEMBERS['nic-core'])['version']}"
    assert all(any(line.startswith(f"{name} ") for line in versions) for name in distributions)
    environment.said("nic", "doctor")
    codecs = {name for name, distribution in DISTRIBUTIONS.items() if distribution in distributions}
    listed = {codec["id"] for codec in json.loads(environment.said("nic", "codecs", "--json"))} if codecs else set()
    assert listed == codecs
    weights = {each["codec"] for each in json.loads(environment.said("nic", "weights", "--json"))}
    picture = environment.folder / "a.png"
    Image.linear_gradient("L").resize((90, 70)).convert("RGB").save(picture)
    for codec in weights & {"mini", "textsketch-ntc"}:
        coded, back = environment.folder / f"{codec}.nic", environment.folder / f"{codec}.png"
        environment.said("nic", "encode", picture, "-o", coded, "--codec", codec)
        environment.said("nic", "decode", coded, "-o", back)
        assert Image.open(back).size == (90, 70)
    return weights


@pytest.mark.long
@pytest.mark.parametrize("name", MEMBERS)
def test_core_and_one_distribution(make_environment, name):
    distributions = dict.fromkeys(("nic-core", name))
    environment = make_environment(*distributions)
    weights = tried(environment, distributions)
    assert bool(weights) == (name in ("nic-mini", "nic-textsketch"))
    assert ("torch" in environment.packages()) == (name not in LIGHT)


@pytest.mark.long
@pytest.mark.parametrize(("version", "path"), pythons().items())
def test_core_and_mini_on_every_python(make_environment, version, path):
    environment = make_environment("nic-core", "nic-mini", python=path)
    assert environment.said("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == version
    assert "mini" in tried(environment, ["nic-core", "nic-mini"])


@pytest.mark.long
def test_everything(make_environment):
    environment = make_environment(*MEMBERS)
    assert {"mini", "textsketch-ntc"} <= tried(environment, MEMBERS)
