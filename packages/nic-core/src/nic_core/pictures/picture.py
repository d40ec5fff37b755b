"""A picture in memory, and what can be turned into one: Pillow images and arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from nic_core.errors import BadPicture
from nic_core.pictures import metadata, pillow
from nic_core.pictures.strips import Pixels, mapped, split_alpha, upright

P = TypeVar("P", bound="RowPicture")


@dataclass(frozen=True, eq=False)
class RowPicture:
    """Pixels that can be had in slices of rows, and what belongs to them: of a picture too large to be in memory.

    pixels: H x W x C, uint8 or uint16, C is 1 (gray) or 3 (RGB).
    alpha: H x W of the same type, None where there is none; not premultiplied.
    icc, exif, xmp: colour profile, EXIF block without the prefix "Exif\\0\\0", XMP packet; None where there is none.
    dpi: pixels per inch, across and down; None where nothing states any.

    BadPicture where they do not fit together.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the arrays, and lay them out without gaps."""
        pixels, alpha = self.pixels, self.alpha
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise BadPicture(f"a picture is height x width x 1 or 3, not {_shape(pixels)}")
        if 0 in pixels.shape:
            raise BadPicture(f"a picture has at least one pixel, not {_shape(pixels)}")
        if pixels.dtype not in (np.uint8, np.uint16):
            raise BadPicture(f"a picture is of uint8 or uint16, not {pixels.dtype}")
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise BadPicture(
                f"alpha must be {_shape(pixels, 2)} of {pixels.dtype} like the picture, "
                f"not {_shape(alpha)} of {alpha.dtype}"
            )
        if self.dpi is not None and not (len(self.dpi) == 2 and all(0 < value < math.inf for value in self.dpi)):
            raise BadPicture(f"a resolution is two positive numbers of pixels per inch, not {self.dpi}")
        for name, values in (("pixels", pixels), ("alpha", alpha)):
            if isinstance(values, np.ndarray):
                object.__setattr__(self, name, np.ascontiguousarray(values))

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB; alpha does not count."""
        return self.pixels.shape[2]

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def samples(self) -> int:
        """Channels, alpha among them."""
        return self.channels + (self.alpha is not None)

    def rows(self, first: int, end: int) -> np.ndarray:
        """Return some rows with alpha as the last channel, (h, W, `samples`)."""
        pixels = self.pixels[first:end]
        return pixels if self.alpha is None else np.concatenate([pixels, self.alpha[first:end][..., None]], axis=2)

    def whole(self) -> Picture:
        """Return the picture with all of its rows in memory."""
        alpha = None if self.alpha is None else np.asarray(self.alpha)
        return Picture(np.asarray(self.pixels), alpha, self.icc, self.exif, self.xmp, self.dpi)

    def to_8_bit(self: P) -> P:
        """Return the picture rounded to 8 bits, or itself if it has no more."""
        if self.bit_depth == 8:
            return self
        alpha = None if self.alpha is None else mapped(self.alpha, _round_to_8_bit)
        return replace(self, pixels=mapped(self.pixels, _round_to_8_bit), alpha=alpha)

    def to_gray(self: P) -> P:
        """Return the picture in gray by the weights of ITU-R BT.601, as Pillow's mode L, or itself if it is gray.

        A colour profile, which does not fit gray, is dropped.
        """
        if self.channels == 1:
            return self
        return replace(self, pixels=mapped(self.pixels, _to_gray), icc=None)

    def upright(self: P) -> P:
        """Return the picture turned upright where EXIF says that it is not, with EXIF and XMP that say so no more.

        Rows that Pillow holds (JPEG) stay rows. What comes only from top to bottom (PNG, PPM) is then in memory whole.
        """
        turn = metadata.orientation(self.exif)
        if turn == 1 or self.exif is None:
            return self
        alpha = None if self.alpha is None else upright(self.alpha, turn)
        exif, xmp = metadata.upright_exif(self.exif), metadata.upright_xmp(self.xmp)
        dpi = self.dpi[::-1] if self.dpi and turn >= 5 else self.dpi
        return replace(self, pixels=upright(self.pixels, turn), alpha=alpha, exif=exif, xmp=xmp, dpi=dpi)

    def stripped(self: P) -> P:
        """Return the picture without profile, EXIF, XMP and dpi, turned upright first where EXIF says it is not."""
        return replace(self.upright(), icc=None, exif=None, xmp=None, dpi=None)


@dataclass(frozen=True, eq=False)
class Picture(RowPicture):
    """A picture in memory; arrays are C-contiguous. See `RowPicture` for the fields."""

    pixels: np.ndarray
    alpha: np.ndarray | None = None

    @classmethod
    def of(cls, source: Any) -> Picture:
        """Return a Picture, Pillow image or array as a picture; BadPicture if it cannot be one.

        Arrays are uint8 or uint16: H x W (gray), H x W x 1, 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha). They are
        not copied where their layout fits.
        Of Pillow's modes, palettes become RGB, and CMYK becomes RGB through its profile, which is then dropped.
        Of several frames or pages the current one is taken. For files see `nic_core.pictures.sources`.
        """
        if isinstance(source, Picture):
            return source
        if isinstance(source, Image.Image):
            parts = pillow.parts_of(source)
            return replace(
                _from_array(np.asarray(parts.array)), icc=parts.icc, exif=parts.exif, xmp=parts.xmp, dpi=parts.dpi
            )
        if isinstance(source, np.ndarray):
            return _from_array(source)
        raise BadPicture(f"a picture is a Pillow image or an array, not {type(source).__name__}")

    def to_array(self) -> np.ndarray:
        """Return the pixels, with alpha as the last channel: H x W, or H x W x 2, 3 or 4."""
        array = self.rows(0, self.height)
        return array[..., 0] if self.samples == 1 else array

    def to_pil(self) -> Image.Image:
        """Return a Pillow image of mode L, LA, RGB, RGBA, or I;16 for 16-bit gray without alpha.

        Pillow holds no other 16-bit pictures: those are rounded to 8 bits here. `to_array` and files keep 16.
        Profile, EXIF, XMP and dpi are in its `info` as "icc_profile", "exif", "xmp" and "dpi", as if Pillow had read
        them. `Image.save` writes all but the profile only when given again: `image.save(path, dpi=image.info["dpi"])`.
        """
        picture = self if self.channels == 1 and self.alpha is None else self.to_8_bit()
        image = Image.fromarray(picture.to_array())
        image.info.update(pillow_info(self.icc, self.exif, self.xmp, self.dpi))
        return image


def pillow_info(
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Return what belongs to a picture as Pillow has it in the `info` of an image."""
    prefixed = metadata.EXIF_PREFIX + exif if exif else None
    found = {"icc_profile": icc, "exif": prefixed, "xmp": xmp, "dpi": dpi}
    return {name: value for name, value in found.items() if value}


def pillow_mode(channels: int, alpha: bool, bit_depth: int) -> str:
    """Return the mode of the image that `Picture.to_pil` makes of such a picture."""
    if channels == 1 and bit_depth == 16 and not alpha:
        return "I;16"
    return {1: "L", 3: "RGB"}[channels] + "A" * alpha


def _shape(array: Pixels, axes: int | None = None) -> str:
    return " x ".join(map(str, array.shape[:axes])) or "a single number"


def _to_gray(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), 2, 0)
    gray = (19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16  # Pillow's integers, which fit 16 bits too
    return gray[..., None].astype(rgb.dtype)


def _round_to_8_bit(array: np.ndarray) -> np.ndarray:
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257


def _from_array(array: np.ndarray) -> Picture:
    if array.dtype.kind == "f":
        raise BadPicture("float arrays are refused: scale to uint8 or uint16 first")
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise BadPicture(f"arrays of {array.dtype} are refused: convert to uint8 or uint16 first")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise BadPicture(f"an array must be height x width, or height x width x 1, 2, 3 or 4, not {_shape(array)}")
    pixels, alpha = split_alpha(array)
    return Picture(np.asarray(pixels), None if alpha is None else np.asarray(alpha))
