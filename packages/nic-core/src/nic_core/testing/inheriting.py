"""Tests to inherit, none of which is replaced in silence."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import pytest


def differs(reason: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a test that stands in the place of one of the kit's.

    What it checks instead still has to hold; then it is reported as skipped, with the reason. ValueError without one.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("say why the test differs: @differs('what this codec cannot do, and why')")

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(test)
        def instead(*args: Any, **kwargs: Any) -> None:
            test(*args, **kwargs)
            pytest.skip(f"differs from the kit: {reason}")

        instead.differs = reason  # type: ignore[attr-defined]
        return instead

    return mark


class Kit:
    """Base of classes of tests; those that belong to the kit say so: `class RoundTrips(Kit, kit=True)`.

    TypeError for a class of others that replaces a test, or takes it away, without `differs`.
    """

    _tests: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, kit: bool = False) -> None:
        """Look whether a class keeps the kit's tests."""
        super().__init_subclass__()
        if kit:
            cls._tests = {name: getattr(cls, name) for name in dir(cls) if name.startswith("test_")}
            return
        for name, test in cls._tests.items():
            found = getattr(cls, name)
            if found is not test and not getattr(found, "differs", ""):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a test that every codec must pass: give it another name, or mark "
                    "it with @differs('why') of nic_core.testing"
                )
