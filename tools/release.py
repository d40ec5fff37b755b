"""What a release takes: one version and one address for every distribution, and their files.

hatch run set-version 0.2.0                           every version, and what distributions ask of one another
hatch run set-address https://git.example.org/us/nic  where the repository lies, in every distribution's links
hatch run build-all                                   a wheel and an sdist of each into dist/, checked by twine
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
RESERVED = ".example"
"""The end of the address before there is one: a domain that no one can own (RFC 2606)."""
PAGES = {
    "Homepage": "",
    "Documentation": "/tree/main/docs",
    "Repository": "",
    "Issues": "/issues",
    "Changelog": "/blob/main/CHANGELOG.md",
}
"""What the links of a distribution are called, and where they lie below the repository's address."""


def members(root: Path = ROOT) -> list[Path]:
    """Return the folders of all distributions of the workspace, as the root's pyproject.toml lists them."""
    listed = _project(root)["tool"]["hatch"]["envs"]["default"]["workspace"]["members"]
    return [root / (member if isinstance(member, str) else member["path"]) for member in listed]


def metadata(member: Path) -> dict[str, Any]:
    """Return the table `project` of a distribution, with its version, wherever that stands."""
    project = _project(member)["project"]
    found = re.search(r'^__version__ = "(.+)"$', _package(member).read_text(encoding="utf-8"), re.MULTILINE)
    return {"version": found and found[1], **project}


def set_version(version: str, root: Path = ROOT) -> list[Path]:
    """Write a version into every distribution, and its series into what they ask of one another; return the files.

    ValueError for what is no version, and where a distribution has no place for it.
    """
    if not VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is no version such as 0.2.0 or 0.2.0rc1")
    names = "|".join(re.escape(metadata(member)["name"]) for member in members(root))
    series = ".".join(version.split(".")[:2])
    changed = []
    for member in members(root):
        dynamic = "version" in metadata(member).get("dynamic", ())
        place = _package(member) if dynamic else member / "pyproject.toml"
        pattern = r'^(__version__ = )".+"$' if dynamic else r'^(version = )".+"$'
        changed += _rewritten(place, pattern, rf'\g<1>"{version}"', once=True)
        changed += _rewritten(
            member / "pyproject.toml", rf'("(?:{names})(?:\[[\w,]+\])?==)[\d.]+\*"', rf'\g<1>{series}.*"'
        )
    return list(dict.fromkeys(changed))


def set_address(address: str, root: Path = ROOT) -> list[Path]:
    """Write where the repository lies into the links of every distribution; return the files. ValueError as above."""
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)*", address):
        raise ValueError(f"{address!r} is no https address such as https://git.example.org/us/nic")
    changed = []
    for member in members(root):
        for name, below in PAGES.items():
            changed += _rewritten(
                member / "pyproject.toml", rf'^({name} = )"https://.*"$', rf'\g<1>"{address}{below}"', once=True
            )
    return list(dict.fromkeys(changed))


def build(folder: Path, root: Path = ROOT) -> list[Path]:
    """Build a wheel and an sdist of every distribution into a folder and return them, checked by twine."""
    shutil.rmtree(folder, ignore_errors=True)
    for member in members(root):
        subprocess.run([sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", folder, member], check=True)
    files = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    return files


def _project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def _package(member: Path) -> Path:
    return next((member / "src").glob("nic_*/__init__.py"))


def _rewritten(path: Path, pattern: str, by: str, once: bool = False) -> list[Path]:
    before = path.read_text(encoding="utf-8")
    after, count = re.subn(pattern, by, before, flags=re.MULTILINE)
    if once and count != 1:
        raise ValueError(f"{path} has {count} lines like {pattern}, not one")
    path.write_text(after, encoding="utf-8")
    return [path] if after != before else []


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("version", help="set every version").add_argument("version")
    verbs.add_parser("address", help="set the repository's address").add_argument("address")
    verbs.add_parser("build", help="build everything").add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "dist"
    )
    chosen = parser.parse_args()
    try:
        if chosen.verb == "version":
            changed = set_version(chosen.version)
        elif chosen.verb == "address":
            changed = set_address(chosen.address)
        else:
            print(f"{len(build(chosen.folder))} files in {chosen.folder}")
            if RESERVED in metadata(members()[0])["urls"]["Repository"]:
                sys.exit("the links lead nowhere yet: hatch run set-address https://... before these are published")
            return
    except ValueError as error:
        sys.exit(str(error))
    for path in changed:
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
