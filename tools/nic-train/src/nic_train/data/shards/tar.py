"""Tar shards: files in a row whose names agree up to the first dot are a sample.

A sample is a picture (jpg, png, webp, ...) with an optional caption (txt, or json: a text, a list of texts, or
{"caption": one of these}), an optional label map (seg.png, whose values are the classes, 0 for void) and, beside that,
optional instances (inst.png, whose values number the things of the picture, 0 for all else).
"""

import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, Any, cast

from nic_core.errors import BadPicture
from nic_core.pictures import image_files
from webdataset.handlers import ignore_and_continue
from webdataset.tariterators import group_by_keys

from nic_train.data.annotations import Item
from nic_train.data.labels.maps import LabelMap, check_shape, check_values, decode_labels
from nic_train.data.pictures import Broken, decode_rgb
from nic_train.data.shards.files import is_local, open_shard

_PICTURES = frozenset(suffix[1:] for suffix in image_files.READABLE_SUFFIXES)
_WANTED = _PICTURES | {"txt", "json", "seg.png", "inst.png"}
_DAMAGE = (OSError, EOFError, HTTPException, tarfile.TarError, zlib.error)


@dataclass(frozen=True)
class TarSample:
    """A sample as it lies in a shard: its name, and its files' bytes by suffix."""

    name: str
    files: dict[str, bytes]

    def decode(self, needs: frozenset[str], classes: int = 0) -> Item:
        """Return the picture and the annotations that are needed; BadPicture where something is broken or missing.

        classes: how many the label map may have, void included; 0 for any.
        """
        suffix = next((suffix for suffix in self.files if suffix in _PICTURES), None)
        if suffix is None:
            raise BadPicture(f"{self.name}: the shard is damaged here")
        pixels = decode_rgb(self.files[suffix], f"{self.name}.{suffix}")
        texts = self._texts() if "text" in needs else ()
        labels = self._labels(classes) if "labels" in needs else None
        if labels is not None:
            check_shape(labels, pixels, self.name)
        return Item(pixels, texts, labels)

    def _texts(self) -> tuple[str, ...]:
        try:
            if "txt" in self.files:
                found: Any = self.files["txt"].decode()
            else:
                found = json.loads(self.files.get("json", b"[]"))
        except (ValueError, RecursionError) as error:
            raise BadPicture(f"{self.name}: its caption cannot be read ({error})") from error
        if isinstance(found, dict):
            found = found.get("caption")
        several = found if isinstance(found, list) else [found]
        texts = tuple(text.strip() for text in several if isinstance(text, str) and text.strip())
        if not texts:
            raise BadPicture(f'{self.name}: it has no caption (txt, or json with "caption")')
        return texts

    def _labels(self, classes: int) -> LabelMap:
        if "seg.png" not in self.files:
            raise BadPicture(f"{self.name}: it has no label map (seg.png)")
        values = decode_labels(io.BytesIO(self.files["seg.png"]), f"{self.name}.seg.png")
        if classes:
            check_values(values, classes, f"{self.name}.seg.png")
        if "inst.png" not in self.files:
            return LabelMap(values)
        instances = decode_labels(io.BytesIO(self.files["inst.png"]), f"{self.name}.inst.png")
        if instances.shape != values.shape:
            raise BadPicture(f"{self.name}: inst.png and seg.png are not of one size")
        return LabelMap(values, instances)


def read_tar(url: str, broken: Broken, first: int = 0) -> Iterator[TarSample]:
    """Yield a shard's samples in order. Those before number `first` come without their files.

    Ends, with a warning, where the shard is damaged.
    """
    samples = group_by_keys(_members(url, broken), handler=ignore_and_continue)
    with_picture = (sample for sample in samples if _PICTURES.intersection(sample))
    for number, sample in enumerate(with_picture):
        files = {}
        if number >= first:
            try:
                files = {suffix: read() for suffix, read in sample.items() if suffix in _WANTED}
            except _DAMAGE:  # cut short: it keeps its place in the order, and is broken when decoded
                files = {}
        yield TarSample(f"{url}/{sample['__key__']}", files)


def _members(url: str, broken: Broken) -> Iterator[dict[str, Any]]:
    """Yield a shard's files as `group_by_keys` takes them, but data is a function that returns the bytes.

    It must be called before this ends: the empty last one says so.
    """
    # Only of a plain local file can be read later what is passed over now.
    seekable = is_local(url) and url.endswith(".tar")
    try:
        with open_shard(url) as stream, tarfile.open(fileobj=stream, mode="r:" if seekable else "r|*") as archive:
            try:
                for member in archive:
                    if member.isfile():
                        data = _read_later(archive, member) if seekable else _read_now(archive, member)
                        yield {"fname": member.name, "data": data, "__url__": url}
                    archive.members = []  # type: ignore[attr-defined]  # or it remembers every header
            except _DAMAGE as error:
                broken.add(url, f"{url}: the shard is damaged, only what comes before is used ({error})")
            yield {}
    except _DAMAGE as error:
        broken.add(url, f"{url}: the shard cannot be read ({error})")


def _read_later(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    return lambda: cast(IO[bytes], archive.extractfile(member)).read()


def _read_now(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    data = cast(IO[bytes], archive.extractfile(member)).read()
    return lambda: data
