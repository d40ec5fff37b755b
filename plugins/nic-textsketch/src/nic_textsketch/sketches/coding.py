"""A sketch as the unit of a file, and back: by `textsketch-ntc`, as labels, or as a whole file of another codec."""

import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import nic_core as nic
import numpy as np
from nic_core.api import parse_codec
from nic_core.errors import BadOption, DamagedFile, WeightsNotFound
from nic_core.format.container import File, Header, pack, unpack
from nic_core.pictures.picture import Picture
from nic_core.plugins import codec_spec
from PIL import Image

from nic_textsketch.message import Sketching
from nic_textsketch.sketches import labels

SKETCH_CODEC = "textsketch-ntc"
LABELS = "labels"
"""What stands for labels where a codec is named."""

SEGMENTATION = "segmentation"
"""The annotator whose sketches labels are for."""

PAINTERS = ("textsketch-pic", "textsketch-pics")
"""Codecs that code no sketch: their files would hold one in turn."""

WEBP = "webp"
"""What a file calls the coder of labels."""

_opened = lru_cache(maxsize=1)(nic.load)  # once for a folder of pictures


@dataclass(frozen=True)
class Unit:
    """A coded sketch, as a file has it. checksum, coder: of the header."""

    sketching: Sketching
    data: bytes
    checksum: int
    coder: str


@dataclass(frozen=True)
class Coder:
    """What codes a sketch: a codec by id, or `LABELS`; weights and quality as it is told, and its encode options."""

    name: str
    weights: str | None = None
    quality: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, annotator: str, weights: str | None = None) -> "Coder":
        """Return what is named for an annotator's sketches: "id[@weights][:key=value,...]", "labels" or nothing.

        Of nothing it is labels for a segmentation map, and `textsketch-ntc` for other sketches. weights: instead of
        those named. BadOption or CodecNotFound where it codes no such sketches.
        """
        name, chosen, settings = parse_codec(text or (LABELS if annotator == SEGMENTATION else SKETCH_CODEC))
        if name == LABELS:
            if annotator != SEGMENTATION or text not in ("", LABELS):
                raise BadOption(f"{LABELS} code what the annotator {SEGMENTATION} draws, and take no settings")
            return cls(LABELS)
        if name in PAINTERS:
            raise BadOption(f"{name} codes no sketches: it would draw one in turn")
        options = {key: value for key, value in settings.items() if key != "quality"}
        return cls(name, weights or chosen, settings.get("quality"), codec_spec(name).options_for("encode", options))

    @property
    def gray(self) -> bool:
        """Whether it drops colours."""
        return self.name != LABELS and codec_spec(self.name).gray


def encode(sketch: Picture, place: int, coder: Coder, device: str) -> Unit:
    """Return a coded sketch; errors as of `nic_core.host.codec.Codec.encode`. place: see `Sketching.annotator`."""
    if coder.name == LABELS:
        data, coded = labels.encode(sketch.to_pil())
        return Unit(Sketching(place, coding="labels"), data, _sum(coded), WEBP)
    with _weights_named():
        loaded = _opened(coder.name, coder.weights, device)
        data = loaded.encode(sketch, coder.quality, **coder.options)  # type: ignore[arg-type]  # it parses a text
    file = unpack(data, sketch.width * sketch.height)
    head = file.header
    if coder.name == SKETCH_CODEC and head.tiling is None:
        return Unit(Sketching(place, head.entropy_id, head.synthesis_id), file.units[0], head.checksum, head.coder)
    return Unit(Sketching(place, coding="file"), data, head.checksum, head.coder)


def decode(unit: Unit, size: tuple[int, int], weights: str | None, device: str) -> Image.Image:
    """Return the sketch of a unit, gray or in colours, of a size (width, height).

    weights: of the sketch's codec, None for what is installed. DamagedFile where the unit is no sketch of that size;
    WeightsNotFound and others as of `nic_core.host.codec.Codec.decode`.
    """
    if unit.sketching.coding == "labels":
        found = labels.decode(unit.data, size)
        if _sum(found) != unit.checksum:
            raise DamagedFile("the decoded segmentation map is not the one that was coded")
        return labels.drawn(found)
    data = as_file(unit, size)
    assert data is not None
    head = nic.inspect(data)
    if (head.width, head.height) != size:
        raise DamagedFile(f"the file's sketch is {head.width} x {head.height}, where {size[0]} x {size[1]} belong")
    if head.codec in PAINTERS:
        raise DamagedFile(f"the file claims that {head.codec} codes its sketch")
    with _weights_named():
        return _opened(head.codec, weights, device).decode(data, max_pixels=size[0] * size[1], max_seconds=math.inf)


def as_file(unit: Unit, size: tuple[int, int]) -> bytes | None:
    """Return a sketch as a file of its codec, None where it has none.

    What a file of `textsketch-ntc` has in its header is known here otherwise.
    """
    made = unit.sketching
    if made.coding == "labels":
        return None
    if made.coding == "file":
        return unit.data
    head = Header(*size, 1, 8, SKETCH_CODEC, unit.coder, made.entropy_id, made.synthesis_id, None, unit.checksum)
    return pack(File(head, (unit.data,)))


def _sum(found: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(found).tobytes()) & 0xFFFF


@contextmanager
def _weights_named() -> Iterator[None]:
    """Have an error on the sketch codec's weights name the option that they are given by."""
    try:
        yield
    except WeightsNotFound as error:
        raise WeightsNotFound(str(error).replace("--weights", "--sketch-weights")) from error
