"""A picture in memory, and what can be turned into one: Pillow images and arrays."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from PIL import Image

from nic_core.errors import BadPicture
from nic_core.pictures import metadata


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels, and what belongs to them.

    pixels: H x W x C, uint8 or uint16, C is 1 (gray) or 3 (RGB); C-contiguous.
    alpha: H x W of the same type, None where there is none; not premultiplied.
    icc, exif, xmp: colour profile, EXIF block without the prefix "Exif\\0\\0", XMP packet; None where there is none.

    BadPicture where they do not fit together.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

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
                f"alpha must be {_shape(pixels[..., 0])} of {pixels.dtype} like the picture, "
                f"not {_shape(alpha)} of {alpha.dtype}"
            )
        object.__setattr__(self, "pixels", np.ascontiguousarray(pixels))
        if alpha is not None:
            object.__setattr__(self, "alpha", np.ascontiguousarray(alpha))

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
        return 8 * self.pixels.itemsize

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
            return _from_pil(source)
        if isinstance(source, np.ndarray):
            return _from_array(source)
        raise BadPicture(f"a picture is a Pillow image or an array, not {type(source).__name__}")

    def to_array(self) -> np.ndarray:
        """Return the pixels, with alpha as the last channel: H x W, or H x W x 2, 3 or 4."""
        if self.alpha is not None:
            return np.concatenate([self.pixels, self.alpha[..., None]], axis=2)
        return self.pixels[..., 0] if self.channels == 1 else self.pixels

    def to_pil(self) -> Image.Image:
        """Return a Pillow image of mode L, LA, RGB, RGBA, or I;16 for 16-bit gray without alpha.

        Pillow holds no other 16-bit pictures: those are rounded to 8 bits here. `to_array` and files keep 16.
        Profile, EXIF and XMP are in its `info` as "icc_profile", "exif" and "xmp", as if Pillow had read them.
        `Image.save` writes EXIF and XMP only when given again: `image.save(path, exif=image.info["exif"])`.
        """
        picture = self if self.channels == 1 and self.alpha is None else self.to_8_bit()
        image = Image.fromarray(picture.to_array())
        if self.icc:
            image.info["icc_profile"] = self.icc
        if self.exif:
            image.info["exif"] = metadata.EXIF_PREFIX + self.exif
        if self.xmp:
            image.info["xmp"] = self.xmp
        return image

    def to_8_bit(self) -> Picture:
        """Return the picture rounded to 8 bits, or itself if it has no more."""
        if self.bit_depth == 8:
            return self
        alpha = None if self.alpha is None else _round_to_8_bit(self.alpha)
        return replace(self, pixels=_round_to_8_bit(self.pixels), alpha=alpha)

    def to_gray(self) -> Picture:
        """Return the picture in gray by the weights of ITU-R BT.601, as Pillow's mode L, or itself if it is gray.

        A colour profile, which does not fit gray, is dropped.
        """
        if self.channels == 1:
            return self
        red, green, blue = np.moveaxis(self.pixels.astype(np.uint32), 2, 0)
        gray = (19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16  # Pillow's integers, which fit 16 bits too
        return replace(self, pixels=gray[..., None].astype(self.pixels.dtype), icc=None)

    def upright(self) -> Picture:
        """Return the picture turned upright where EXIF says that it is not, with EXIF and XMP that say so no more."""
        turn = metadata.orientation(self.exif)
        if turn == 1 or self.exif is None:
            return self
        alpha = None if self.alpha is None else _upright(self.alpha, turn)
        exif, xmp = metadata.upright_exif(self.exif), metadata.upright_xmp(self.xmp)
        return replace(self, pixels=_upright(self.pixels, turn), alpha=alpha, exif=exif, xmp=xmp)

    def stripped(self) -> Picture:
        """Return the picture without profile, EXIF and XMP, turned upright first where EXIF says that it is not."""
        return replace(self.upright(), icc=None, exif=None, xmp=None)


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "a single number"


def _round_to_8_bit(array: np.ndarray) -> np.ndarray:
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: first swap rows and columns, then mirror left-right and top-bottom."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


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
    if array.shape[2] in (2, 4):
        return Picture(array[..., :-1], array[..., -1])
    return Picture(array)


def _from_pil(image: Image.Image) -> Picture:
    try:
        image.load()  # first, since it completes `info`, and turns TIFF files upright
    except (OSError, SyntaxError, ValueError) as error:
        raise BadPicture(f"the picture is damaged or cut short ({error})") from error
    icc, exif, xmp = image.info.get("icc_profile") or None, _pil_exif(image), _pil_xmp(image)
    if image.mode in ("CMYK", "LAB"):
        image, icc = _to_rgb(image, icc), None
    return replace(_from_array(_pil_array(image)), icc=icc, exif=exif, xmp=xmp)


def _pil_array(image: Image.Image) -> np.ndarray:
    mode = image.mode
    if mode == "F":
        raise BadPicture("float pictures are refused: scale to 8 or 16 bits first")
    if mode == "I":
        array = np.asarray(image)
        if image.width and image.height and (array.min() < 0 or array.max() > 65535):
            raise BadPicture("the picture has 32-bit values outside 0 to 65535: scale to 16 bits first")
        return array.astype(np.uint16)
    if mode.startswith("I;16"):
        return np.asarray(image)
    gray = mode in ("1", "L", "LA", "La")
    # Alpha is either a channel, or a transparent colour ("transparency" in info).
    alpha = image.has_transparency_data
    return np.asarray(image.convert(("LA" if gray else "RGBA") if alpha else ("L" if gray else "RGB")))


def _to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert CMYK or LAB to sRGB, through the profile if it is one of that colour space."""
    if icc and image.mode == "CMYK":
        from PIL import ImageCms

        try:
            profile, srgb = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
            return cast(Image.Image, ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one of another colour space
    return image.convert("RGB")


def _pil_exif(image: Image.Image) -> bytes | None:
    exif = image.info.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    if exif is None and hasattr(image, "tag_v2"):  # a TIFF file, whose tags are its EXIF
        return metadata.exif_from_tags(metadata.tags_of_exif(image.getexif()))
    if exif is None and "Raw profile type exif" in image.info:  # a PNG file by ImageMagick
        exif = image.getexif().tobytes()
    return metadata.bare_exif(exif)


def _pil_xmp(image: Image.Image) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return xmp.encode() if isinstance(xmp, str) else xmp or None
