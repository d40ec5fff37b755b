"""What a file says beside the stream of its sketch: the codec's own block, `params`."""

from dataclasses import dataclass
from typing import Literal, get_args

from nic_core.bytestream import Reader, varint
from nic_core.errors import DamagedFile

from nic_textsketch.prompting.prompts import ids_of, number_of

MOST_CANDIDATES = 256
MOST_SEED = (1 << 32) - 1


Coding = Literal["stream", "labels", "file"]
"""What a file's unit is: a stream of `textsketch-ntc`, labels of `sketches.labels`, a whole file of another codec."""

CODINGS: tuple[Coding, ...] = get_args(Coding)
PLACES = 64
"""How many annotators a generator's config can have: a byte holds a place among them and a coding."""


@dataclass(frozen=True)
class Sketching:
    """How a sketch was made and coded.

    annotator: the place among the names of the config's ControlNets, sorted, of the one that follows the sketch.
    entropy_id, synthesis_id: fingerprints of the sketch codec's weights, of a stream; empty of others.
    coding: how the sketch is coded.
    """

    annotator: int
    entropy_id: str = ""
    synthesis_id: str = ""
    coding: Coding = "stream"

    def pack(self) -> bytes:
        """Return the bytes: of one, the upper two bits are the coding; the fingerprints follow."""
        head = CODINGS.index(self.coding) * PLACES + self.annotator
        return bytes([head]) + bytes.fromhex(self.entropy_id + self.synthesis_id)

    @classmethod
    def unpack(cls, read: Reader) -> "Sketching":
        """Return what `pack` packed; DamagedFile where that cannot be."""
        coding, annotator = divmod(read.take(1)[0], PLACES)
        if coding >= len(CODINGS):
            raise DamagedFile(f"the file has a sketch of kind {coding}, unknown to this nic-textsketch")
        ids = (read.take(4).hex(), read.take(4).hex()) if CODINGS[coding] == "stream" else ("", "")
        return cls(annotator, *ids, CODINGS[coding])


@dataclass(frozen=True)
class Message:
    """Which picture of those that a generator can make.

    ids: the prompt, as CLIP's tokens. seed: what the noise of all candidates comes from, below 2^32.
    candidates, chosen: how many the encoder had, 1 to 256, and which of them it chose.
    sketching: None where the prompt is all.
    """

    ids: tuple[int, ...]
    seed: int
    candidates: int
    chosen: int
    sketching: Sketching | None = None

    def pack(self) -> bytes:
        """Return the bytes: seed (LEB128), candidates - 1, what `Sketching.pack` returns, then one number.

        That is number * candidates + chosen, the number being the prompt's, big-endian in as few bytes as it takes.
        """
        sketching = self.sketching.pack() if self.sketching else b""
        packed = self._number.to_bytes(self.number_bytes, "big")
        return varint(self.seed) + bytes([self.candidates - 1]) + sketching + packed

    @property
    def number_bytes(self) -> int:
        """How many bytes the prompt takes, together with the choice."""
        return -(-self._number.bit_length() // 8)

    @property
    def _number(self) -> int:
        return number_of(self.ids) * self.candidates + self.chosen

    @classmethod
    def unpack(cls, data: bytes, sketched: bool) -> "Message":
        """Return what `pack` packed, with or without a sketch; DamagedFile where that cannot be."""
        read = Reader(data)
        seed, candidates = read.varint(), read.take(1)[0] + 1
        sketching = Sketching.unpack(read) if sketched else None
        number, chosen = divmod(int.from_bytes(read.take(read.left), "big"), candidates)
        return cls(ids_of(number), seed, candidates, chosen, sketching)
