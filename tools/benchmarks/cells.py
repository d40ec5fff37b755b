"""Whether the entropy path gives the same in C and in numpy, on one thread and two, by every instruction set.

python tools/benchmarks/cells.py --data kodak/
python tools/benchmarks/cells.py --data kodak/ --all --whole mini
python tools/benchmarks/cells.py --data kodak/ tbtc-conv-charm --size S --size L
python tools/benchmarks/cells.py --data kodak/ --python arm64/python mini

y and z of pictures are computed once. From then on each cell is a process of its own, which encodes them, and decodes
the stream that this process made. Symbols with the rows of their tables, streams and y_hat must be the same.

Pictures are three of the folder, or all of them, then in C alone; they are cut, to odd sides too, or left whole. The
instruction sets of numpy are those of its loops and of OpenBLAS. --python names another interpreter, such as one of
another architecture under emulation; it needs nic-core, nic-latent, nic-native and the codecs' packages, and no torch.
Exits with 1 where anything differs.
"""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from entropy_path import MODEL, Given, run
from models import TBTC, model_of
from nic_core import native
from nic_core.pictures.image_files import READABLE_SUFFIXES
from nic_core.pictures.sources import picture_of
from nic_nn.entropy.latent import channels_last
from nic_nn.model import LatentModel
from nic_nn.pixels import to_tensor
from noise import middle

SIZES = ((97, 65), (64, 128), (130, 75))
"""Width and height of what is cut from pictures, in turn."""
MODELS = (
    *product((*TBTC, "tcm"), ("S", "M", "L")),
    *((codec, None) for codec in ("cca", "taco", "egic", "textsketch-ntc", "mini")),
)
AVX2 = "AVX2 FMA3 F16C AVX"
AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
BY_NUMPY = {
    "plain": {"OPENBLAS_CORETYPE": "NEHALEM", "NPY_DISABLE_CPU_FEATURES": f"{AVX2} {AVX512}"},
    "avx2": {"OPENBLAS_CORETYPE": "HASWELL", "NPY_DISABLE_CPU_FEATURES": AVX512},
    "avx512": {"OPENBLAS_CORETYPE": "SKYLAKEX"},
    "": {},
}
"""Instruction sets, and how numpy is told to do without later ones."""


@dataclass(frozen=True)
class Cell:
    """Who computes: C or numpy, on how many threads of which Python. isa: instruction set, "" for the best."""

    in_c: bool
    isa: str
    threads: int
    python: str = sys.executable

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say so."""
        sets = {"NIC_NATIVE_ISA": self.isa} if self.in_c else BY_NUMPY[self.isa]
        return {"NIC_NATIVE": str(int(self.in_c)), "OMP_NUM_THREADS": str(self.threads), **sets}

    def run(self, folder: Path) -> dict[str, Given]:
        """Return what a folder's pictures give in a process of this cell."""
        done = subprocess.run(
            [self.python, "-W", "ignore", str(Path(__file__).with_name("entropy_path.py")), str(folder)],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException(f"{self}: {done.stderr.strip()[-300:]}")
        found = json.loads(done.stdout)
        if (found["kernels"] != "numpy") != self.in_c or (self.in_c and self.isa and found["kernels"] != self.isa):
            raise click.ClickException(f"{self} was computed by {found['kernels']}")
        return {name: Given(**given) for name, given in found["given"].items()}


def cells_here(only_c: bool) -> tuple[list[Cell], list[str]]:
    """Return the cells of this processor, and the instruction sets that it lacks."""
    from nic_native import arrays  # which is optional elsewhere

    count = 1 + arrays.library().nic_best_isa()
    kinds = [(True, isa) for isa in arrays.SETS[:count]]
    kinds += [(False, isa) for isa in BY_NUMPY if isa in arrays.SETS[:count] and not only_c]
    return [Cell(*kind, threads) for kind in kinds for threads in (1, 2)], list(arrays.SETS[count:])


def pixels_of(paths: Sequence[Path], gray: bool, whole: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and pixels (H, W, C) of pictures, whole or cut from the middle."""
    for number, path in enumerate(paths):
        picture = picture_of(path)
        pixels = (picture.to_gray() if gray else picture).pixels
        yield path.stem, middle(pixels, None if whole else SIZES[number % len(SIZES)])


@torch.inference_mode()
def dump(model: LatentModel, pictures: Iterable[tuple[str, np.ndarray]], folder: Path) -> dict[str, Given]:
    """Write a model's entropy path, and the latents and streams of pictures at every quality that matters.

    Returns what they give here.
    """
    assert model.integers is not None
    # As a weights file has them, without what running them leaves there.
    fresh = dataclasses.replace(
        model.integers, nets={name: dataclasses.replace(net) for name, net in model.integers.nets.items()}
    )
    (folder / MODEL).write_bytes(pickle.dumps(fresh))
    expected = {}
    for name, pixels in pictures:
        x = to_tensor(pixels, model.stride, torch.device("cpu"), model.picture_channels)
        for number, latent in enumerate(model.analyses(x)):
            y, z = channels_last(latent), channels_last(model.h_a(latent))
            expected[f"{name}-{number}"], stream = run(fresh, y, z)
            np.savez(folder / f"{name}-{number}.npz", y=y, z=z, stream=np.frombuffer(stream, np.uint8))
    return expected


def compare(model: LatentModel, pictures: Iterable[tuple[str, np.ndarray]], cells: Sequence[Cell]) -> tuple[list, list]:
    """Return what pictures give here, and the cells where it is something else."""
    with tempfile.TemporaryDirectory() as name:
        expected = dump(model, pictures, Path(name))
        with click.progressbar(cells, label=type(model).__name__, file=sys.stderr) as shown:
            others = [cell for cell in shown if cell.run(Path(name)) != expected]
    return list(expected.values()), others


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1)
@click.option("--size", "sizes", multiple=True, help="Model size, where the codec's recipe has one; may be repeated.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--all", "every", is_flag=True, help="All of them, in C alone.")
@click.option("--whole", is_flag=True, help="As they are, instead of cut.")
@click.option("--python", "others", multiple=True, type=click.Path(exists=True), help="Another interpreter.")
def main(
    codecs: tuple[str, ...], sizes: tuple[str, ...], data: Path, every: bool, whole: bool, others: tuple[str, ...]
) -> None:
    """Print the table."""
    if native.why_not():
        raise click.ClickException(f"nothing is there to be compared with numpy: {native.why_not()}")
    paths = sorted(path for path in data.iterdir() if path.suffix in READABLE_SUFFIXES)
    cells, lacking = cells_here(only_c=every)
    cells += [Cell(in_c, "", 1, python) for python in others for in_c in ((True,) if every else (True, False))]
    click.echo("| model | latents | symbols | other than 0 | cells that agree |\n| --- | --- | --- | --- | --- |")
    differing = []
    for codec, size in product(codecs, sizes or (None,)) if codecs else MODELS:
        model = model_of(codec, size)
        pictures = pixels_of(paths if every else paths[: len(SIZES)], model.picture_channels == 1, whole)
        given, wrong = compare(model, pictures, cells)
        differing += [f"{codec} {size or ''}: {cell}" for cell in wrong]
        symbols, zeros = (sum(getattr(one, name) for one in given) for name in ("symbols", "zeros"))
        row = [
            *(f"{codec} {size or ''}".strip(), str(len(given)), f"{symbols:,}", f"{100 - 100 * zeros / symbols:.0f} %"),
            f"{len(cells) - len(wrong)} of {len(cells)}",
        ]
        click.echo(f"| {' | '.join(row)} |")
    click.echo(f"\nNot tried, since this processor lacks them: {', '.join(lacking) or 'none'}")
    if differing:
        raise click.ClickException("; ".join(differing))


if __name__ == "__main__":
    main()
