"""`nic demo`: a photograph, through a real file, side by side with what came out."""

import time
from pathlib import Path

import click
import numpy as np

from nic_core import api
from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.host.target import psnr
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture


@click.command()
@click.argument("picture", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("-q", "--quality", type=click.FloatRange(1, 100), default=50, show_default=True)
@click.option("--codec", help="Default: the installed codec whose weights rank highest.")
def demo(picture: Path | None, output: Path, quality: float, codec: str | None) -> None:
    """Compress and decode a photograph (scikit-image's cup of coffee, or yours) and print what it cost.

    Writes the .nic file, the decoded PNG and a PNG with the original on the left and the decoded picture on the right.
    """
    name, original = ("coffee", _coffee()) if picture is None else (picture.stem, image_files.read(picture))
    make_folder(output)
    coder = api.load(codec)
    coder.decode_picture(coder.encode(original, quality))  # the first run also reads weights and warms caches

    start = time.perf_counter()
    data = coder.encode(original, quality)
    middle = time.perf_counter()
    decoded = coder.decode_picture(data)
    end = time.perf_counter()

    atomic_write(output / f"{name}.nic", data)
    image_files.write(decoded, output / f"{name}.decoded.png")
    pair = Picture(np.concatenate([original.pixels, decoded.pixels], 1))
    image_files.write(pair, output / f"{name}.side-by-side.png")

    rows = {
        "codec": f"{coder.spec.id}, quality {quality:g}",
        "picture": f"{name}, {original.width} x {original.height}, {original.pixels.nbytes} bytes raw",
        "file": f"{len(data)} bytes, {8 * len(data) / (original.width * original.height):.3f} bpp",
        "PSNR": f"{psnr(original, decoded):.2f} dB",
        "MS-SSIM": ms_ssim(original, decoded),
        "encode": f"{middle - start:.2f} s",
        "decode": f"{end - middle:.2f} s",
        "written": f"{output / name}.nic, .decoded.png, .side-by-side.png",
    }
    for key, value in rows.items():
        click.echo(f"{key:<8} {value}")


def _coffee() -> Picture:
    try:
        from skimage import data  # an optional dependency, and slow to import
    except ImportError as error:
        raise NicError("name a picture, or: pip install 'nic-core[demo]'") from error
    return Picture.of(data.coffee())


def ms_ssim(a: Picture, b: Picture) -> str:
    """Return the multi-scale structural similarity, or why there is none."""
    try:
        import torch  # both optional, and slow to import
        from pytorch_msssim import ms_ssim as measure
    except ImportError:
        return "needs pytorch-msssim"
    if min(a.height, a.width) <= 160:
        return "needs sides over 160 pixels"
    x, y = (torch.from_numpy(p.pixels.astype(np.float32)).permute(2, 0, 1)[None] for p in (a, b))
    return f"{measure(x, y, data_range=float(np.iinfo(a.pixels.dtype).max)).item():.4f}"
