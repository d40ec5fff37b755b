"""Whether whole files decode although torch computes them in another way, or is another version.

python tools/benchmarks/settings.py --data kodak/
python tools/benchmarks/settings.py --data kodak/ --python torch-2.6/bin/python mini@weights.safetensors

Files are made as usual and decoded under each setting, and the other way round, each in a process of its own. A file is
lost where it does not decode, or where other symbols come out than went in, as its checksum tells. Files and pictures
are others where a byte, or a pixel's value, is another than usual: that they are shows that a setting did something.

--python names the interpreter of another environment with these packages in it; it may be repeated. Exits with 1 where
a file is lost.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import nic_core
import torch
from nic_core.pictures.image_files import READABLE_SUFFIXES
from under_setting import SETTINGS, USUAL

QUALITIES = (10.0, 50.0, 90.0)
Job = tuple[str, str | None, float | None, str, str]
"""Codec, weights, quality, picture, file."""


@dataclass(frozen=True)
class Way:
    """Who computes. setting: a name of SETTINGS; python: the interpreter."""

    setting: str = USUAL
    python: str = sys.executable

    def run(self, verb: str, jobs: Sequence[Job], folder: Path) -> list[str | None]:
        """Encode or decode in a process of its own; return a hash for each file, None for those that are lost."""
        (folder / "jobs.json").write_text(json.dumps(jobs))
        script = str(Path(__file__).with_name("under_setting.py"))
        done = subprocess.run(
            [self.python, "-W", "ignore", script, self.setting, verb, str(folder / "jobs.json")],
            env={**os.environ, **SETTINGS[self.setting].environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException(f"{self.setting}, {verb}: {done.stderr.strip()[-300:]}")
        return json.loads(done.stdout)["files"]

    @property
    def name(self) -> str:
        """What it is called in the table."""
        if self.python == sys.executable:
            return self.setting
        command = [self.python, "-c", "import torch; print(torch.__version__)"]
        return f"torch {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}"


def jobs_of(codecs: Sequence[str], paths: Sequence[Path], folder: Path) -> list[Job]:
    """Return a job for each codec, quality and picture; their files are to lie in a folder."""
    jobs: list[Job] = []
    for number, text in enumerate(codecs):
        identity, _, weights = text.partition("@")
        (known,) = nic_core.load(identity, weights=weights or None, device="cpu").weights
        for quality in QUALITIES if isinstance(known.quality, tuple) else (None,):
            for path in paths:
                file = folder / f"{number}-{quality}-{path.stem}.nic"
                jobs.append((identity, weights or None, quality, str(path), str(file)))
    return jobs


def row(way: Way, jobs: Sequence[Job], usual: Sequence[Sequence[str | None]], folder: Path) -> tuple[list[str], int]:
    """Return a row of the table and how many files are lost.

    jobs: whose files lie there, made as usual; usual: their hashes and those of the pictures that they decode to.
    """
    own = [(*job[:4], f"{job[4]}.own") for job in jobs]
    with click.progressbar(length=3, label=way.name, file=sys.stderr) as bar:
        decoded = way.run("decode", jobs, folder)
        bar.update(1)
        made = way.run("encode", own, folder)
        bar.update(1)
        back = Way().run("decode", own, folder)
        bar.update(1)
    lost = decoded.count(None), back.count(None)
    others = (sum(a != b for a, b in zip(*pair, strict=True)) for pair in zip((made, decoded), usual, strict=True))
    return [way.name, *(f"{count} of {len(jobs)}" for count in (*lost, *others))], sum(lost)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, metavar="[CODEC[@WEIGHTS]]...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--limit", default=24, show_default=True, help="How many of them.")
@click.option("--setting", "names", multiple=True, type=click.Choice(list(SETTINGS)), help="[default: all]")
@click.option("--python", "others", multiple=True, type=click.Path(exists=True), help="Another interpreter.")
def main(codecs: tuple[str, ...], data: Path, limit: int, names: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Print the table."""
    paths = sorted(path for path in data.iterdir() if path.suffix in READABLE_SUFFIXES)[:limit]
    chosen = names or (() if others else [name for name in SETTINGS if name != USUAL])
    ways = [*(Way(name) for name in chosen), *(Way(python=other) for other in others)]
    click.echo(f"Usual: torch {torch.__version__}\n")
    click.echo("| setting | lost, decoded under it | lost, made under it | other files | other pictures |")
    click.echo("| --- | --- | --- | --- | --- |")
    lost = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = jobs_of(codecs or ("mini",), paths, folder)
        usual = [Way().run(verb, jobs, folder) for verb in ("encode", "decode")]
        for way in ways:
            cells, count = row(way, jobs, usual, folder)
            lost += count
            click.echo(f"| {' | '.join(cells)} |")
    if lost:
        raise click.ClickException(f"{lost} files are lost")


if __name__ == "__main__":
    main()
