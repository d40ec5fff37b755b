"""`nic demo`: a photograph, through a real file, side by side with what came out."""

import time
from pathlib import Path

import click
import numpy as np

from nic_core import api
from nic_core.cli.output import say
from nic_core.cli.system.completion import CodecName
from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write, check_writable, make_folder
from nic_core.host.target import psnr
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture


@click.command()
@click.argument("picture", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder. [default: demo, replaced each time]")
@click.option("-q", "--quality", type=click.FloatRange(1, 100), default=50, show_default=True)
@click.option("--codec", type=CodecName(), help="[default: the one that 'nic codecs' marks]")
@click.option("--overwrite", is_flag=True, help="Replace what is there in a folder given with -o.")
def demo(picture: Path | None, output: Path | None, quality: float, codec: str | None, overwrite: bool) -> None:
    """Compress and decode a photograph (scikit-image's cup of coffee, or yours) and print what it cost.

    Writes the .nic file, the decoded PNG and a PNG with the original on the left and the decoded picture on the right.
    """
    name, original = ("coffee", _coffee()) if picture is None else (picture.stem, image_files.read(picture))
    overwrite = overwrite or output is None
    folder = output or Path("demo")
    file, decoded_file, pair_file = (folder / f"{name}{end}" for end in (".nic", ".decoded.png", ".side-by-side.png"))
    make_folder(folder)
    for path in (file, decoded_file, pair_file):
        if path.exists() and not overwrite:
            raise NicError(f"{path} is there already; --overwrite replaces it")
        check_writable(path)
    coder = api.load(codec)
    coder.decode_picture(coder.encode(original, quality))  # the first run also reads weights and warms caches

    start = time.perf_counter()
    data = coder.encode(original, quality)
    middle = time.perf_counter()
    decoded = coder.decode_picture(data)
    end = time.perf_counter()

    pair = Picture(np.concatenate([original.pixels, decoded.pixels], 1))
    atomic_write(file, data, overwrite)
    atomic_write(decoded_file, image_files.encode(decoded, "PNG"), overwrite)
    atomic_write(pair_file, image_files.encode(pair, "PNG"), overwrite)

    rows = {
        "codec": f"{coder.spec.id}, quality {quality:g}{f', run by {coder.runtimes}' if coder.runtimes else ''}",
        "picture": f"{name}, {original.width} x {original.height}, {original.pixels.nbytes} bytes raw",
        "file": f"{len(data)} bytes, {8 * len(data) / (original.width * original.height):.3f} bpp",
        "PSNR": f"{psnr(original, decoded):.2f} dB",
        "MS-SSIM": ms_ssim(original, decoded),
        "encode": f"{middle - start:.2f} s",
        "decode": f"{end - middle:.2f} s",
        "written": f"{folder / name}.nic, .decoded.png, .side-by-side.png",
    }
    for key, value in rows.items():
        say(f"{key:<8} {value}")


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
