"""Ctrl-C while a result is made better: it is kept, the run ends after it, and a second one ends at once."""

import signal
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nic_core import progress
from nic_core.cli import run
from nic_core.cli.interrupts import Interrupts

pytestmark = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is not signal.default_int_handler, reason="another handler is in place"
)


def improve(presses: int) -> Any:
    """Return a `compress` that waits for its user's patience to end: so many presses of Ctrl-C come meanwhile."""

    def compress(self: Any, pixels: Any, quality: Any, options: Any) -> Any:
        with progress.improving() as enough:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
            assert enough()
            progress.note("it is good enough")
        return type(self).plain(self, pixels, quality, options)

    return compress


@pytest.fixture
def impatient(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets how often Ctrl-C comes."""
    monkeypatch.setattr(fake.ZipCodec, "plain", fake.ZipCodec.compress, raising=False)
    return lambda presses: monkeypatch.setattr(fake.ZipCodec, "compress", improve(presses))


def test_what_is_there_is_written(impatient: Any, work: Path, capsys: pytest.CaptureFixture) -> None:
    impatient(1)
    assert run(["encode", "a.png", "-o", "a.nic"]) == 0
    assert "a.png: it is good enough" in capsys.readouterr().err
    assert run(["decode", "a.nic", "-o", "back.png"]) == 0


def test_the_run_ends_after_the_files_at_hand(impatient: Any, work: Path, capsys: pytest.CaptureFixture) -> None:
    impatient(1)
    assert run(["encode", "a.png", "sub", "-o", "out"]) == 130
    assert "nic: 1 of 3 files were done; --skip-existing does the rest" in capsys.readouterr().err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.nic"]


def test_the_second_ends_at_once(impatient: Any, work: Path) -> None:
    impatient(2)
    assert run(["encode", "a.png", "-o", "a.nic"]) == 130
    assert not Path("a.nic").exists()


def test_without_anything_to_keep_it_ends_as_usual() -> None:
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts.taken():
        signal.raise_signal(signal.SIGINT)
    assert not interrupts.enough
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with interrupts.taken(), interrupts.improving() as enough:
        signal.raise_signal(signal.SIGINT)
        assert enough()
    with pytest.raises(KeyboardInterrupt), interrupts.taken(), interrupts.improving():
        signal.raise_signal(signal.SIGINT)


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    interrupts = Interrupts()
    seen: list[Any] = []

    def elsewhere() -> None:
        with interrupts.taken():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.taken():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_work_in_other_threads_is_told() -> None:
    interrupts, ends = Interrupts(), []

    def work() -> None:
        with interrupts.improving() as enough:
            until = time.monotonic() + 5
            while not enough() and time.monotonic() < until:
                time.sleep(0.01)
            ends.append(enough())

    with interrupts.taken():
        thread = threading.Thread(target=work)
        thread.start()
        while not interrupts.busy:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
        thread.join()
    assert ends == [True]
