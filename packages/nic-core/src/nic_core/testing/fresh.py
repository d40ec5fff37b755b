"""A process of its own that does what a host application might: it opens a codec in several threads, and goes on.

`Work` is sent as a pickle; what comes of it is written line by line as JSON, so that the parent knows how far it came.
"""

import gc
import hashlib
import json
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nic_core as nic
from nic_core.errors import NicError, PluginFault
from nic_core.pictures.picture import Picture

Record = dict[str, Any]

THREADS = 4
ROUNDS = 4
"""Of calls, between which memory is looked at; the first ones warm up."""


@dataclass(frozen=True)
class Work:
    """What the process does with a codec, which is a pickle because others than the process unpickle it too.

    picture: coded in threads; larger: coded again and again. calls: encodes and decodes in each round.
    mutants: files to decode, at most so many pixels each.
    """

    codec: bytes
    picture: Picture
    larger: Picture
    encode_options: dict[str, Any]
    decode_options: dict[str, Any]
    calls: int
    mutants: tuple[bytes, ...]
    max_pixels: int

    def results(self) -> Iterator[Record]:
        """Do it, and yield what came of each part."""
        yield from self._threads()
        yield from self._memory()
        yield {"what": "started"}
        for mutant in self.mutants:
            yield self._mutant(mutant)

    def _threads(self) -> list[Record]:
        barrier, found = threading.Barrier(THREADS), []

        def run() -> None:
            barrier.wait()
            try:
                codec = pickle.loads(self.codec)
                data = codec.encode(self.picture, **self.encode_options)
                pixels = codec.decode_picture(data, **self.decode_options).pixels
                found.append({"what": "thread", "file": digest(data), "pixels": digest(pixels.tobytes())})
            except BaseException as error:
                found.append({"what": "thread", "error": f"{type(error).__name__}: {error}"})

        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def _memory(self) -> Iterator[Record]:
        codec = pickle.loads(self.codec)
        for _ in range(ROUNDS):
            for _ in range(self.calls):
                codec.decode_picture(codec.encode(self.larger, **self.encode_options), **self.decode_options)
            gc.collect()
            yield {"what": "memory", "bytes": resident()}

    def _mutant(self, data: bytes) -> Record:
        start, error = time.perf_counter(), ""
        try:
            codec = pickle.loads(self.codec)
            shape = codec.decode_picture(data, max_pixels=self.max_pixels, **self.decode_options).pixels.shape
            head = nic.inspect(data)
            if shape != (wanted := (head.height, head.width, head.channels)):
                error = f"pixels of shape {shape}, where the header says {wanted}"
        except PluginFault as caught:
            error = str(caught)
        except NicError as caught:
            text = str(caught)
            error = (
                "" if text and "\n" not in text else f"{type(caught).__name__} with {text!r}, no sentence in one line"
            )
        except BaseException as caught:
            error = f"{type(caught).__name__}: {caught}"
        return {"what": "mutant", "error": error, "seconds": time.perf_counter() - start}


def digest(data: bytes) -> str:
    """Return what tells data from other data."""
    return hashlib.sha256(data).hexdigest()


def resident() -> int:
    """Return the bytes of memory that this process holds; 0 where the system does not say (Linux does)."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Read the work from the file that is named first, and write what comes of it to the second."""
    source, target = sys.argv[1:]
    work: Work = pickle.loads(Path(source).read_bytes())
    with open(target, "w", buffering=1) as out:
        for record in work.results():
            out.write(f"{json.dumps(record)}\n")
