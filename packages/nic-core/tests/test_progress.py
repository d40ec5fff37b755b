from nic_core import progress


def test_work_reports_to_the_listener_and_to_nobody_else():
    heard = []
    with progress.listening(lambda *what: heard.append(what)):
        assert list(progress.track("ab", "spelling")) == ["a", "b"]
        assert list(progress.track(iter("c"), "reading", total=3, done=2)) == ["c"]
    progress.report("spelling", 1, 1)
    assert heard == [("spelling", 0, 2), ("spelling", 1, 2), ("spelling", 2, 2), ("reading", 2, 3), ("reading", 3, 3)]
