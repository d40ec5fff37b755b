"""TFRecords as deeplab2's build_coco_data.py writes them, which EGIC is trained on; read without TensorFlow.

A record is a tf.train.Example with an encoded picture and, as "raw" int32, its panoptic label: 256 times the class, 0
for void, plus the number of the thing among those of its class, 0 for all else. The classes are COCO's 133.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, Any

import numpy as np
from nic_core.errors import BadPicture, NicError

from nic_train.data.annotations import Item
from nic_train.data.labels.maps import LabelMap, check_shape, check_values, decode_labels
from nic_train.data.pictures import Broken, decode_rgb
from nic_train.data.shards.files import is_local, open_shard

PICTURE, NAME = "image/encoded", "image/filename"
HEIGHT, WIDTH = "image/height", "image/width"
LABEL, LABEL_FORMAT = "image/segmentation/class/encoded", "image/segmentation/class/format"
DIVISOR = 256
"""Of a panoptic label: its class is the quotient, the number of its thing the rest."""

_LARGEST = 1 << 28  # bytes of a record
_HEADER = struct.Struct("<QI")  # length, and its checksum; behind the record there is one of it
_FOOTER = struct.Struct("<I")


@dataclass(frozen=True)
class Record:
    """A record as it lies in a file: its name, and its bytes; none for one that is skipped or broken."""

    name: str
    data: bytes = b""

    def decode(self, needs: frozenset[str], classes: int = 0) -> Item:
        """See `nic_train.data.shards.sets.Packed`; there are no captions."""
        features = _features(self.data, self.name)
        if "text" in needs:
            raise BadPicture(f"{self.name}: TFRecords of deeplab2 hold no captions")
        name = f"{self.name} ({_value(features, NAME, self.name, b'').decode(errors='replace')})"
        pixels = decode_rgb(_value(features, PICTURE, name), name)
        if "labels" not in needs:
            return Item(pixels)
        labels = _labels(features, name)
        if classes:
            check_values(labels.classes, classes, name)
        check_shape(labels, pixels, name)
        return Item(pixels, (), labels)


def read_tfrecord(url: str, broken: Broken, first: int = 0) -> Iterator[Record]:
    """Yield a file's records in order; see `nic_train.data.shards.sets.read_shard`.

    NicError where the package that reads them is not installed.
    """
    from_masked = _masked_checksum()
    try:
        with open_shard(url) as stream:
            end = stream.seek(0, io.SEEK_END) if is_local(url) else 0
            if end:
                stream.seek(0)
            number = 0
            while header := _read(stream, _HEADER.size, whole=False):
                if len(header) < _HEADER.size:
                    raise EOFError("it is cut short")
                length, checksum = _HEADER.unpack(header)
                if from_masked(header[:8]) != checksum or length > _LARGEST:
                    raise EOFError("a record's length is damaged")
                data = b""
                if end and number < first:
                    if stream.seek(length + _FOOTER.size, io.SEEK_CUR) > end:
                        raise EOFError("it is cut short")
                else:
                    data, footer = _read(stream, length), _read(stream, _FOOTER.size)
                    if number < first or from_masked(data) != _FOOTER.unpack(footer)[0]:
                        data = b""  # broken: it keeps its place in the order
                yield Record(f"{url}/{number}", data)
                number += 1
    except (OSError, EOFError, HTTPException, zlib.error) as error:
        broken.add(url, f"{url}: the shard is damaged, only what comes before is used ({error})")


def _read(stream: IO[bytes], size: int, whole: bool = True) -> bytes:
    """Return so many bytes; EOFError where there are fewer and it must be the whole."""
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    if left and whole:
        raise EOFError("it is cut short")
    return b"".join(parts)


def _masked_checksum() -> Any:
    """Return the function from bytes to the checksum that TFRecords hold of them."""
    try:
        from crc32c import crc32c  # with tfrecord, an optional dependency
    except ImportError as error:
        raise NicError("TFRecords need a package: pip install 'nic-train[tfrecord]'") from error

    def masked(data: bytes) -> int:
        value = crc32c(data)
        return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF

    return masked


def _features(data: bytes, name: str) -> Any:
    """Return the features of a tf.train.Example by name; BadPicture where it is none."""
    from google.protobuf.message import DecodeError
    from tfrecord.example_pb2 import Example

    if not data:
        raise BadPicture(f"{name}: the shard is damaged here")
    try:
        return Example.FromString(data).features.feature
    except DecodeError as error:
        raise BadPicture(f"{name}: it is no tf.train.Example") from error


def _value(features: Any, key: str, name: str, default: Any = None) -> Any:
    """Return the bytes or the whole number of a feature; BadPicture where it is missing and has no default."""
    if key in features:
        feature = features[key]
        for values in (feature.bytes_list.value, feature.int64_list.value):
            if len(values):
                return values[0]
    if default is None:
        raise BadPicture(f"{name}: it has no {key}")
    return default


def _labels(features: Any, name: str) -> LabelMap:
    encoded = _value(features, LABEL, name)
    if _value(features, LABEL_FORMAT, name, b"raw") != b"raw":
        return LabelMap(decode_labels(io.BytesIO(encoded), name))
    shape = (_value(features, HEIGHT, name), _value(features, WIDTH, name))
    if min(shape) < 1 or len(encoded) != 4 * shape[0] * shape[1]:
        raise BadPicture(f"{name}: its label has {len(encoded)} bytes, not those of {shape[1]}x{shape[0]}")
    found, which = np.unique(np.frombuffer(encoded, "<i4"), return_inverse=True)
    if found[0] < 0 or found[-1] >= DIVISOR * (1 << 16):
        raise BadPicture(f"{name}: its label holds what is none")
    numbers = np.where(found % DIVISOR > 0, np.arange(1, len(found) + 1), 0)  # things of all classes count together
    classes = (found // DIVISOR).astype(np.uint8 if found[-1] < DIVISOR**2 else np.uint16)
    return LabelMap(classes[which].reshape(shape), numbers.astype(np.uint16)[which].reshape(shape))
