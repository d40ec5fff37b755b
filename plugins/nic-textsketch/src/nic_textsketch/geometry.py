"""The size at which pictures are sketched and generated, and what is done to pictures and sketches on the way."""

from nic_core.errors import BadPicture
from PIL import Image, ImageEnhance

UNIT = 64
"""What both sides of what is sketched and generated are multiples of."""

MOST_ELONGATED = 4


def working_size(width: int, height: int, short: int = 512) -> tuple[int, int]:
    """Return the width and height at which a picture is sketched and generated, as controlnet-aux resizes it.

    short: the short side in pixels, a multiple of 64; the long side is rounded to one.

    BadPicture for a side below 64 pixels, and for one of more than four times the other.
    """
    if min(width, height) < UNIT:
        raise BadPicture(f"pictures must be at least {UNIT} pixels wide and high, not {width} x {height}")
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise BadPicture(f"no side may be more than {MOST_ELONGATED} times as long as the other: {width} x {height}")
    return rounded_size(width, height, short)


def rounded_size(width: int, height: int, short: int) -> tuple[int, int]:
    """Return what `working_size` does, for pictures of any shape."""
    factor = short / min(width, height)  # multiplied in this order, ties fall as they do in controlnet-aux
    return round(width * factor / UNIT) * UNIT, round(height * factor / UNIT) * UNIT


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture at another (width, height), by Lanczos' filter."""
    return image.resize(size, Image.Resampling.LANCZOS)


def conditioning(sketch: Image.Image) -> Image.Image:
    """Return a decoded sketch as ControlNet gets it: gray sharpened, colours, which stand for something, left alone."""
    return sharpened(sketch) if sketch.mode == "L" else sketch.convert("RGB")


def sharpened(sketch: Image.Image) -> Image.Image:
    """Return a gray sketch sharpened by 2, with three equal channels.

    Pillow computes what torchvision's adjust_sharpness does, up to rounding.
    """
    return ImageEnhance.Sharpness(sketch).enhance(2).convert("RGB")
