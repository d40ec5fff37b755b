"""What the conformance kit costs: seconds of the processor, of this process and those that it starts, for each codec.

    python tools/benchmarks/kit.py plugins/nic-mini/tests/test_conformance.py

Of each test class so much in all, and its three dearest tests; a fixture counts with the test that is first to use it.
Imports, which come before, are not counted. Long tests are left out unless `--long` asks for them.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Generator

import pytest

SHOWN = 3


class Processor:
    """A plugin of pytest that measures each test. seconds: by class, each with the test's name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[tuple[float, str]]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure a test with its fixtures."""
        begin = processor()
        result = yield
        self.seconds[item.nodeid.rpartition("::")[0]].append((processor() - begin, item.name))
        return result


def processor() -> float:
    """Return the seconds that this process and its children that ended have worked."""
    return sum(os.times()[:4])


def main() -> int:
    """Run the tests and print the table; returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--long", action="store_true", help="the tests marked long, too")
    given = parser.parse_args()
    measured = Processor()
    chosen = [] if given.long else ["-m", "not long"]
    code = pytest.main([*given.files, *chosen, "-p", "no:xdist"], plugins=[measured])
    for name, tests in measured.seconds.items():
        dearest = ", ".join(f"{test} {seconds:.1f}" for seconds, test in sorted(tests, reverse=True)[:SHOWN])
        print(f"{name}: {sum(seconds for seconds, _ in tests):.1f} s\n    {dearest}")
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
