"""`nic doctor`: what is installed, whether it runs, and how what is missing can be had."""

import dataclasses

import click

from nic_core.cli.output import as_json, show, show_json
from nic_core.cli.system import checks
from nic_core.cli.system.findings import Finding

MARKS = {"ok": "  ", "missing": "- ", "broken": "! "}


@click.command()
@as_json
def doctor(as_json: bool) -> int:
    """Check what is installed and whether it runs; say what is missing and how to get it.

    \b
    nic doctor                  a line for each part: "!" broken, "-" not there
    nic doctor --json           for programs, and for whoever helps you

    Runtimes are started, the default codec codes a small picture, and weights are compared with their fingerprints.
    Nothing is changed and nothing is fetched. The exit code is 1 only where something that is installed is broken.
    """
    from nic_core.cli.bars import working  # slow to import; --help can do without

    with working("checking what is installed"):
        found = checks.all_findings()
    broken = [finding for finding in found if finding.state == "broken"]
    if as_json:
        show_json({"broken": len(broken), "findings": [dataclasses.asdict(finding) for finding in found]})
    else:
        _show(found, broken)
    return 1 if broken else 0


def _show(found: list[Finding], broken: list[Finding]) -> None:
    topic = ""
    for finding in found:
        if finding.topic != topic:
            if topic:
                click.echo()
            topic = finding.topic
            show(f"{topic}:")
        text, remedy = finding.text, finding.remedy
        if finding.state == "missing" and remedy:
            text, remedy = f"{text}; {remedy}", ""
        show(f"{MARKS[finding.state]}{finding.name:<24} {text}".rstrip())
        if remedy:
            show(f"  {'':<24} {remedy}")
    names = ", ".join(finding.name for finding in broken)
    click.echo()
    show(f"{len(broken)} broken: {names}" if broken else "nothing is broken")
