"""How long `nic` takes to answer what it only looks up, and to code a small picture: whole processes on a warm disk.

python tools/benchmarks/startup.py
python tools/benchmarks/startup.py photo.nic --runs 51

Modules are compiled before, as pip compiles what it installs. The commands take turns, so that other work on the
machine disturbs all of them alike. Prints the median and the shortest of their times, and what a bare interpreter
takes, which is in each of them. Without a file, `nic info` shows one that is made here, with every chunk that there is.
The picture is one of 600 x 400 pixels, and the codec the default one.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
import numpy as np
from nic_core.format import chunks
from nic_core.format.container import File, Header, pack
from nic_core.pictures.picture import Picture
from PIL import Image

BARE = "python -c pass"


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--runs", type=click.IntRange(1), default=15, show_default=True, help="Runs of each command.")
def main(file: Path | None, runs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        if file is None:
            file = Path(folder, "made.nic")
            file.write_bytes(made())
        picture, coded = Path(folder, "photo.png"), Path(folder, "photo.nic")
        Image.effect_mandelbrot((600, 400), (-2, -1.2, 1, 1.2), 100).convert("RGB").save(picture)
        nic = [sys.executable, "-m", "nic_core"]
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            "nic --version": [*nic, "--version"],
            "nic codecs": [*nic, "codecs"],
            "nic info": [*nic, "info", str(file)],
            "import numpy, onnxruntime": [sys.executable, "-c", "import numpy, onnxruntime"],
            "nic encode": [*nic, "encode", str(picture), "-o", str(coded), "--overwrite", "--quiet"],
            "nic decode": [*nic, "decode", str(coded), "-o", str(picture), "--overwrite", "--quiet"],
        }
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(1 + runs):
            for name, command in commands.items():
                took[name].append(seconds(command, environment))
    click.echo("| command | median, s | of which bare interpreter, s | shortest, s | times the bare interpreter |")
    click.echo("| --- | --- | --- | --- | --- |")
    bare = median(took[BARE][1:])
    for name, times in took.items():
        middle, least = median(times[1:]), min(times[1:])  # without the first, which compiles and warms the disk
        click.echo(f"| `{name}` | {middle:.3f} | {bare:.3f} | {least:.3f} | {middle / bare:.1f} |")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return how long a process takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def made() -> bytes:
    """Return a .nic file of nothing but a header and every chunk that there is."""
    picture = Picture(np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.uint8), b"icc", b"II", b"<x/>", (72.0, 72.0))
    head = Header(3, 2, 3, 8, "mini", "interleaved", "00000000", "00000000", 50.0, 0)
    return pack(File(head, (b"",), chunks.of_picture(picture)))


if __name__ == "__main__":
    main()
