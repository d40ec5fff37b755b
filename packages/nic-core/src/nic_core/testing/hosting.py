"""Within other programs: a fresh process, threads, pickles, a long life, and files of strangers."""

import json
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import nic_core as nic
from nic_core.testing.fresh import Record, Work, digest
from nic_core.testing.mutants import mutants
from nic_core.testing.subject import Subject

START = "from nic_core.testing.fresh import main; main()"
STARTING = 300.0
"""Seconds that the process may take before its first damaged file, on a busy machine too."""
SEED = 7


def watched(folder: Path, patience: float) -> list[Record]:
    """Run the work in a folder; return what came of it, and as the last what the process said at its end.

    A process that says nothing for some times the patience, once it has started on damaged files, is ended.
    """
    source, target, log = folder / "work", folder / "found", folder / "log"
    target.touch()
    with log.open("w") as out:
        command = [sys.executable, "-W", "ignore", "-c", START, str(source), str(target)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
        seen, heard, waits = b"", time.monotonic(), STARTING
        while process.poll() is None and time.monotonic() - heard < waits:
            time.sleep(0.05)
            if (now := target.read_bytes()) != seen:
                seen, heard = now, time.monotonic()
                waits = 3 * patience if b"started" in now else STARTING
        hangs = process.poll() is None
        process.kill()
        process.wait()
    end = f"nothing was heard of it for {waits:.0f} s" if hangs else log.read_text().strip()[-2000:]
    lines = target.read_text().split("\n")[:-1]  # the last one may be cut
    return [*map(json.loads, lines), {"what": "end", "error": end}]


class Hosting(Subject, kit=True):
    """See the module.

    mutants: how many damaged files are tried. calls: encodes and decodes between two looks at the memory.
    """

    mutants: ClassVar[int] = 60
    calls: ClassVar[int] = 4

    @pytest.fixture(scope="class")
    @classmethod
    def elsewhere(cls, codec: nic.Codec, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
        """What a fresh process makes of the codec; see `nic_core.testing.fresh.Work`."""
        self, folder = cls(), tmp_path_factory.mktemp("fresh")
        picture, deep = self.picture(64, 96), self.picture(20, 33, 3, np.uint16, alpha=True)
        sound = self.encode(codec, picture), self.encode(codec, replace(deep, xmp=b"<x:xmpmeta/>", dpi=(72.0, 72.0)))
        damaged = tuple(each for data in sound for each in mutants(data, self.mutants // 2, SEED))
        work = Work(
            pickle.dumps(codec),
            picture,
            self.picture(192, 256),
            self.encode_options,
            self.decode_options,
            self.calls,
            damaged,
            max_pixels=1 << 16,
        )
        (folder / "work").write_bytes(pickle.dumps(work))
        return watched(folder, cls.patience)

    def test_a_fresh_process_and_threads_make_the_same(self, codec: nic.Codec, elsewhere: list[Record]) -> None:
        """Four threads that load, encode and decode at once in a process where nothing is imported yet."""
        found = [record for record in elsewhere if record["what"] == "thread"]
        assert found, f"the process ended before its threads did: {elsewhere[-1]['error']}"
        errors = [record["error"] for record in found if "error" in record]
        assert not errors, f"where four threads open the codec at once, one fails: {errors[0]}"
        data = self.encode(codec, self.picture(64, 96))
        assert {record["file"] for record in found} == {digest(data)}, (
            "another process or thread makes another file of the same picture: what decides symbols must not depend "
            "on the order of float sums, on threads, on hash seeds, or on what ran before"
        )
        pixels = digest(self.decode(codec, data).pixels.tobytes())
        assert {record["pixels"] for record in found} == {pixels}, "another process or thread decodes other pixels"

    def test_memory_does_not_grow(self, elsewhere: list[Record]) -> None:
        """Repeated calls give back what they take."""
        found = [record["bytes"] for record in elsewhere if record["what"] == "memory"]
        assert found, f"the process ended before it was done: {elsewhere[-1]['error']}"
        if not all(found):
            pytest.skip("the system does not say how much memory a process holds")
        growth = np.diff(found).min()  # what grows with each call grows in every round
        assert growth < self.calls * self.picture(192, 256).pixels.size, (
            f"every {self.calls} encodes and decodes hold {growth} bytes more, at least the picture each: what keeps "
            "references, such as a cache without a limit?"
        )

    def test_damaged_files_end_in_errors_of_nic(self, elsewhere: list[Record]) -> None:
        """A picture of the header's size, or an error that says what is wrong."""
        found = [record for record in elsewhere if record["what"] == "mutant"]
        broken = [f"mutant {number}: {record['error']}" for number, record in enumerate(found) if record["error"]]
        assert not broken, (
            f"{len(broken)} of {len(found)} damaged files do not end in an error of nic (DamagedFile): {broken[0]}; "
            f"nic_core.testing.mutants.mutants(data, {self.mutants // 2}, {SEED}) makes them"
        )
        assert len(found) == self.mutants // 2 * 2, (
            f"mutant {len(found)} of {self.mutants} ends the process or does not end: {elsewhere[-1]['error']}; bound "
            "every loop and every size that a file states"
        )
        slow = [(number, record["seconds"]) for number, record in enumerate(found) if record["seconds"] > self.patience]
        assert not slow, f"mutant {slow[0][0]} takes {slow[0][1]:.0f} s to be refused: check sizes before the work"

    def test_pickles(self, codec: nic.Codec) -> None:
        """A pickle holds what it takes to open the codec again, and no weights."""
        pickled = pickle.dumps(codec)
        assert len(pickled) < 10_000, f"a pickled codec has {len(pickled)} bytes: something holds on to weights"
        data = self.encode(codec, self.picture(40, 50))
        again: nic.Codec = pickle.loads(pickled)
        assert self.encode(again, self.picture(40, 50)) == data, "a pickled codec makes another file"
