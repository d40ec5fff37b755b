"""Pillow's `Image.open` and `Image.save` for .nic files: `import nic_core.pillow` is all it takes.

```python
import nic_core.pillow
from PIL import Image

image = Image.open("photo.nic")                        # size, mode and metadata; nothing is decoded yet
image.thumbnail((256, 256))                            # decodes at a scale that is large enough
image.save("small.nic", quality=40)                    # or codec="cca", target=Target("bpp", 0.5), ...
```

What is wrong with a file or an option comes as OSError, as from Pillow's own formats, with nic's error as its cause.
Pillow holds no colour of 16 bits: such pictures come in 8, in 16 from `nic_core.decode_picture`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

from PIL import Image, ImageFile

from nic_core import api
from nic_core.errors import NicError
from nic_core.format import chunks
from nic_core.format.container import MAGIC, UNLIMITED, File, unpack
from nic_core.host.codec import Codec
from nic_core.pictures import metadata
from nic_core.pictures.picture import Picture, pillow_info, pillow_mode
from nic_core.pictures.scaling import SCALES

FORMAT = "NIC"
MIME = "image/x-nic"


class NicImageFile(ImageFile.ImageFile):
    """A .nic file that `Image.open` has opened: decoded when its pixels are first asked for."""

    format = FORMAT
    format_description = "Neural image compression"

    _coded: File | None = None
    _data = b""
    _divisor = 1

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Have the picture decoded at the smallest of the scales 1, 1/2, 1/4, 1/8 that is no smaller than a size."""
        if self._coded is None or size is None:
            return None
        head = self._coded.header
        for divisor in sorted(SCALES.values()):
            width, height = -(-head.width // divisor), -(-head.height // divisor)
            if width >= size[0] and height >= size[1]:
                self._divisor, self._size = divisor, (width, height)
        return self.mode, (0, 0, head.width / self._divisor, head.height / self._divisor)

    def load(self) -> Any:
        """Decode, by the codec that the file names."""
        if self._coded is not None:
            # Pillow has compared the size with its own limit, `Image.MAX_IMAGE_PIXELS`, when it opened the file.
            with _as_pillow():
                picture = api.decode_picture(self._data, max_pixels=UNLIMITED, scale=1 / self._divisor)
            image = picture.to_pil()
            self.im, self._mode, self._size = image.im, image.mode, image.size
            self._coded, self._data, self.readonly = None, b"", 0
        return Image.Image.load(self)

    def _open(self) -> None:
        assert self.fp is not None
        self._data = self.fp.read()
        with _as_pillow():
            self._coded = unpack(self._data, UNLIMITED)
            self.info.update(pillow_info(**chunks.metadata_of(self._coded.chunks)))
        head = self._coded.header
        self._size = head.width, head.height
        self._mode = pillow_mode(head.channels, chunks.ALPHA in self._coded.chunks, head.bit_depth)


def save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Write an image; called by `Image.save`, whose keywords these are, all optional.

    codec: an id, or a `nic_core.Codec`. weights, device, runtime: as of `nic_core.load`.
    icc_profile, exif, xmp, dpi: in place of the image's own, which are kept; None or b"" leaves them out.
    Everything else is as of `Codec.encode`: quality, target, strip, tile and the codec's options.
    """
    given = dict(image.encoderinfo)
    codec = given.pop("codec", None)
    opening = {name: given.pop(name) for name in ("weights", "device", "runtime") if name in given}
    with _as_pillow():
        picture = _with_metadata(Picture.of(image), given)
        loaded = codec if isinstance(codec, Codec) else api.load(codec, **opening)
        file.write(loaded.encode(picture, **given))


def _with_metadata(picture: Picture, given: dict[str, Any]) -> Picture:
    """Return a picture with what is given in place of its own, which is taken out of `given`."""
    names = {"icc_profile": "icc", "exif": "exif", "xmp": "xmp", "dpi": "dpi"}
    changes: dict[str, Any] = {field: given.pop(name) or None for name, field in names.items() if name in given}
    if isinstance(exif := changes.get("exif"), Image.Exif):
        changes["exif"] = exif.tobytes()
    if "exif" in changes:
        changes["exif"] = metadata.bare_exif(changes["exif"])
    return replace(picture, **changes)


@contextmanager
def _as_pillow() -> Iterator[None]:
    """Raise errors of nic as those that programs expect of Pillow."""
    try:
        yield
    except NicError as error:
        raise OSError(str(error)) from error


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


Image.register_open(FORMAT, NicImageFile, _accept)
Image.register_save(FORMAT, save)
Image.register_extension(FORMAT, ".nic")
Image.register_mime(FORMAT, MIME)
