"""`nic --version`: which distributions are installed, and what they run on. Reads metadata, imports none of it."""

import platform
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

import click

from nic_core.plugins.discovery import GROUP
from nic_core.plugins.published import BASE, TOOLS
from nic_core.printable import printable

LIBRARIES = ("numpy", "pillow", "onnxruntime", "onnxruntime-gpu", "torch", "compressai")
"""Distributions of others that decide what nic does with pictures."""


def distributions() -> dict[str, str]:
    """Return the versions of nic's distributions and of those that bring plugins, by name."""
    brought = {point.dist.name: point.dist.version for point in entry_points(group=GROUP) if point.dist}
    return dict(sorted((_versions((*BASE, *TOOLS)) | brought).items()))


def libraries() -> dict[str, str]:
    """Return the versions of those of LIBRARIES that are installed, by name."""
    return _versions(LIBRARIES)


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def python() -> str:
    """Return which Python runs, and on what."""
    return f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"


def text() -> str:
    """Return what `nic --version` prints: nic's own version in the first line, then all parts."""
    own = distributions()
    lines = [f"nic {own.get('nic-core', 'not installed as a distribution')}", ""]
    lines += [f"{name} {number}" for name, number in (own | libraries()).items()]
    return "\n".join(map(printable, [*lines, python()]))


def _show(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(text())
        ctx.exit()


def with_version(command: Any) -> Any:
    """Add --version to a command."""
    return click.option(
        *("--version", "-V"),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show,
        help="Show the version of nic and of all its parts.",
    )(command)
