"""Writing the formats that Pillow and its plugins write."""

import io
from dataclasses import replace

from nic_core import progress
from nic_core.pictures import metadata, pillow
from nic_core.pictures.picture import Picture


def encode(picture: Picture, format: str, quality: int | None, subsampling: str | None) -> bytes:
    """Return a file's bytes; see `nic_core.pictures.image_files.save`. ValueError or others for what it cannot hold."""
    picture = picture.to_8_bit()
    if format == "BMP":
        picture = replace(picture.stripped(), dpi=picture.upright().dpi)
    exif = picture.exif if format in ("JPEG", "BMP") else metadata.exif_with_resolution(picture.exif, picture.dpi)
    options: dict = {
        "icc_profile": picture.icc,
        "exif": metadata.EXIF_PREFIX + exif if exif else b"",
        "xmp": picture.xmp or b"",
    }
    if format == "BMP":
        options["dpi"] = picture.dpi or (0, 0)  # Pillow would make up 96
    if format == "JPEG" and picture.dpi and all(1 <= round(value) <= 0xFFFF for value in picture.dpi):
        options["dpi"] = picture.dpi
    if format == "JPEG":
        options.update(quality=95 if quality is None else quality, subsampling=subsampling or "4:2:0")
    elif format == "AVIF":
        options.update(quality=90 if quality is None else quality, subsampling=subsampling or "4:4:4")
    elif quality is not None:
        options["quality"] = quality
    elif format == "WEBP":
        options.update(lossless=True, exact=True)  # exact: keep the colours under full transparency
    elif format == "JXL":
        options["lossless"] = True
    if format == "JXL":
        options["use_container"] = bool(exif or picture.xmp)
        if picture.icc:
            progress.note("the colour profile is left out: pillow-jxl-plugin writes none")
    pillow.register(format)
    file = io.BytesIO()
    image = replace(picture, icc=None, exif=None, xmp=None, dpi=None).to_pil()
    try:
        image.save(file, format, **options)
    except OSError as error:  # which here is none of a file
        raise ValueError(str(error)) from error
    return file.getvalue()
