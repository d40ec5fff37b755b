"""What a file says beside the stream of its sketch: the codec's own block, `params`."""

from dataclasses import dataclass

from nic_core.bytestream import Reader, varint

from nic_textsketch.prompting.prompts import ids_of, number_of

MOST_CANDIDATES = 256
MOST_SEED = (1 << 32) - 1


@dataclass(frozen=True)
class Sketching:
    """How a sketch was made and coded.

    annotator: the place of the annotator's name among those of the generator's config, sorted.
    entropy_id, synthesis_id: fingerprints of the sketch codec's weights.
    """

    annotator: int
    entropy_id: str
    synthesis_id: str


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
        """Return the bytes: seed (LEB128), candidates - 1, of a sketch annotator and fingerprints, then one number.

        That is number * candidates + chosen, the number being the prompt's, big-endian in as few bytes as it takes.
        """
        sketching = b""
        if made := self.sketching:
            sketching = bytes([made.annotator]) + bytes.fromhex(made.entropy_id + made.synthesis_id)
        number = number_of(self.ids) * self.candidates + self.chosen
        packed = number.to_bytes(-(-number.bit_length() // 8), "big")
        return varint(self.seed) + bytes([self.candidates - 1]) + sketching + packed

    @classmethod
    def unpack(cls, data: bytes, sketched: bool) -> "Message":
        """Return what `pack` packed, with or without a sketch; DamagedFile where that cannot be."""
        read = Reader(data)
        seed, candidates = read.varint(), read.take(1)[0] + 1
        sketching = Sketching(read.take(1)[0], read.take(4).hex(), read.take(4).hex()) if sketched else None
        number, chosen = divmod(int.from_bytes(read.take(read.left), "big"), candidates)
        return cls(ids_of(number), seed, candidates, chosen, sketching)
