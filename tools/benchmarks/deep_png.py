"""How long 16-bit PNG takes, beside libpng by imagecodecs where that is installed.

python tools/benchmarks/deep_png.py
python tools/benchmarks/deep_png.py --width 3000 --height 2000

The picture is made here: slopes in RGB with some noise. Times are of the processor, the shortest of three.
"""

import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from nic_core.pictures import png
from nic_core.pictures.picture import Picture


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.option("--width", type=click.IntRange(1), default=6000, show_default=True)
@click.option("--height", type=click.IntRange(1), default=4000, show_default=True)
def main(width: int, height: int) -> None:
    """Measure and print."""
    pixels = made(width, height)
    data, writing = least(lambda: png.encode(Picture(pixels)))
    picture, reading = least(lambda: png.decode(data))
    if not np.array_equal(picture.pixels, pixels):
        raise click.ClickException("other pixels were read than were written")
    click.echo("| by | write, s | MB | read, s |\n| --- | --- | --- | --- |")
    click.echo(f"| nic-core | {writing:.2f} | {len(data) / 1e6:.1f} | {reading:.2f} |")
    try:
        import imagecodecs  # an optional dependency
    except ImportError:
        return
    other, writing = least(lambda: imagecodecs.png_encode(pixels))
    read, reading = least(lambda: imagecodecs.png_decode(data))
    if not np.array_equal(read, pixels):
        raise click.ClickException("libpng reads other pixels")
    click.echo(f"| imagecodecs | {writing:.2f} | {len(other) / 1e6:.1f} | {reading:.2f} |")


def made(width: int, height: int) -> np.ndarray:
    """Return uint16 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    slopes = 20000 + 15000 * np.sin(x / 300) + 10000 * np.cos(y / 200)
    noise = np.random.default_rng(0).normal(0, 60, (height, width, 3))
    return (slopes[..., None] + np.array([0, 2000, 5000]) + noise).clip(0, 65535).astype(np.uint16)


def least(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work returns, and its shortest time in three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        result = run()
        times.append(time.process_time() - start)
    return result, min(times)


if __name__ == "__main__":
    main()
