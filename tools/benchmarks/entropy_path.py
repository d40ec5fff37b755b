"""The entropy path of latents that were dumped: what cells.py runs in a process of its own for each cell.

python tools/benchmarks/entropy_path.py FOLDER

FOLDER holds "model.pickle", an EntropyModel, and for each picture NAME.npz with y, z (1, h, w, C) and the stream to
decode. Prints, as JSON, who computes and what each picture gave. Nothing here imports torch.
"""

import hashlib
import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from nic_core.coding import Interleaved, Tables
from nic_core.coding.interleaved import InterleavedDecoder, InterleavedEncoder
from nic_latent.entropy_model import EntropyModel
from nic_latent.integers.executor import in_c

MODEL = "model.pickle"


@dataclass(frozen=True)
class Given:
    """What a picture gave.

    encoded, decoded: SHA-256 of the symbols with the rows of their tables, in coding order; stream, y_hat: likewise.
    symbols: how many were encoded; zeros: of them.
    """

    encoded: str
    stream: str
    decoded: str
    y_hat: str
    symbols: int
    zeros: int


class Passed:
    """Symbols that passed an entropy coder: their hash, with the rows of their tables, and how many they are."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.symbols = self.zeros = 0

    def add(self, symbols: np.ndarray, indexes: np.ndarray) -> None:
        """Take those of a group."""
        for values in (symbols, indexes):
            self.hash.update(np.ascontiguousarray(values, "<i4").data)
        self.symbols += symbols.size
        self.zeros += int((symbols == 0).sum())


@contextmanager
def passing() -> Iterator[Passed]:
    """Look at the symbols that pass entropy coders for the length of a block."""
    found, push, pull = Passed(), InterleavedEncoder.push, InterleavedDecoder.pull

    def pushing(self: InterleavedEncoder, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        found.add(symbols, indexes)
        push(self, symbols, indexes, tables)

    def pulling(self: InterleavedDecoder, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        symbols = pull(self, indexes, tables)
        found.add(symbols, indexes)
        return symbols

    with patch.object(InterleavedEncoder, "push", pushing), patch.object(InterleavedDecoder, "pull", pulling):
        yield found


def run(model: EntropyModel, y: np.ndarray, z: np.ndarray, stream: bytes | None = None) -> tuple[Given, bytes]:
    """Encode latents, and decode a stream, by default the one that they gave; return what came out, and that one."""
    coder = Interleaved()
    with passing() as encoded:
        made, _ = model.encode(y, z, coder)
    with passing() as decoded:
        y_hat, _ = model.decode(made if stream is None else stream, z.shape[1:3], y.shape[-1], coder)
    values = np.ascontiguousarray(y_hat.values, "<i4")
    hashes = (encoded.hash, hashlib.sha256(made), decoded.hash, hashlib.sha256(values.data))
    return Given(*(found.hexdigest() for found in hashes), encoded.symbols, encoded.zeros), made


def kernels() -> str:
    """Return who computes here: "numpy", or the instruction set of nic-native."""
    if not in_c():
        return "numpy"
    from nic_native import arrays  # which is optional

    return arrays.SETS[arrays.instruction_set()]


def main(folder: Path) -> None:
    """Print what all pictures of a folder give."""
    model = pickle.loads((folder / MODEL).read_bytes())
    given = {}
    for path in sorted(folder.glob("*.npz")):
        picture = np.load(path)
        given[path.stem] = asdict(run(model, picture["y"], picture["z"], picture["stream"].tobytes())[0])
    print(json.dumps({"kernels": kernels(), "given": given}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
