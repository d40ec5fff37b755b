"""Ctrl-C while a result is there already and is only made better: the result is kept."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Those of one run. enough: whether Ctrl-C came while something was made better, which then ends."""

    def __init__(self) -> None:
        self.enough = False
        self._improved = 0
        self._counting = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether something is made better at the moment."""
        return self._improved > 0

    @contextmanager
    def improving(self) -> Iterator[Callable[[], bool]]:
        """See `nic_core.progress.Listener`; threads may do so beside one another."""
        self._count(1)
        try:
            yield lambda: self.enough
        finally:
            self._count(-1)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the first Ctrl-C of a block as `enough` where something is made better; others end it as usual.

        Only where Python's own handler is in place, and in the main thread, which alone may have others.
        """
        usual = signal.default_int_handler
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
            yield
            return

        def take(number: int, frame: FrameType | None) -> None:
            if self.busy and not self.enough:
                self.enough = True
            else:
                usual(number, frame)

        signal.signal(signal.SIGINT, take)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    def _count(self, more: int) -> None:
        with self._counting:
            self._improved += more
