import threading

import pytest
from nic_core import progress
from nic_core.progress import Listener


def test_work_reports_to_the_listener_and_to_nobody_else():
    steps, notes = [], []
    with progress.listening(Listener(lambda *step: steps.append(step), notes.append)):
        assert list(progress.track("ab", "spelling")) == ["a", "b"]
        assert list(progress.track(iter("c"), "reading", total=3, done=2)) == ["c"]
        progress.note("it reads well")
    progress.report("spelling", 1, 1)
    progress.note("nobody is told")
    assert steps == [("spelling", 0, 2), ("spelling", 1, 2), ("spelling", 2, 2), ("reading", 2, 3), ("reading", 3, 3)]
    assert notes == ["it reads well"]


def test_what_an_encoder_has_is_made_for_those_who_collect_it():
    made = []

    def content() -> bytes:
        made.append(None)
        return b"a sketch"

    progress.keep(".drawn.png", content)
    assert not made
    with progress.keeping() as kept:
        progress.keep(".drawn.png", content)
        with progress.keeping() as inner:
            progress.keep(".other.png", content)
    assert (kept, list(inner), len(made)) == ({".drawn.png": b"a sketch"}, [".other.png"], 2)


def test_every_step_can_end_the_work():
    passed = []

    def end() -> None:
        passed.append(None)
        if len(passed) == 4:
            raise TimeoutError

    heard = []
    outer = Listener(lambda *step: heard.append(step), heard.append, check=lambda: heard.append("checked"))
    with progress.listening(outer), progress.checking(end):
        progress.check()
        with pytest.raises(TimeoutError):
            list(progress.track("abcde", "spelling"))
    progress.check()
    assert heard == ["checked", *("checked", ("spelling", 0, 5)), *("checked", ("spelling", 1, 5)), "checked"]


def test_a_block_without_steps_is_stopped_from_outside():
    stopped, threads = threading.Event(), []

    def end() -> None:
        threads.append(threading.current_thread())
        raise TimeoutError

    with progress.checking(end), pytest.raises(TimeoutError), progress.interruptible(stopped.set):
        assert stopped.wait(10)
        raise RuntimeError("what a library says of that")
    assert len(threads) == 1 and threads[0] is not threading.current_thread()
    with progress.interruptible(stopped.clear):  # nobody can end it
        assert threading.active_count() == 1 or threads[0] not in threading.enumerate()
    assert stopped.is_set()


def test_a_block_that_nobody_ends_says_what_went_wrong_itself():
    with progress.checking(lambda: None), pytest.raises(KeyError), progress.interruptible(pytest.fail):
        raise KeyError
