"""What cannot be is refused with one sentence, before any work."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import nic_core as nic
from nic_core.errors import BadOption, BadPicture, NicError
from nic_core.spec import Option
from nic_core.testing.subject import Subject


def refused(kind: type[NicError], what: str, work: Callable[..., Any], *given: Any, **options: Any) -> None:
    """Check that a call is refused with an error of a kind, in one line."""
    try:
        work(*given, **options)
    except kind as error:
        text = str(error)
        assert text and "\n" not in text, f"{what} is refused with {text!r}, which is no sentence in one line"
    except Exception as error:
        raise AssertionError(f"{what} ends in {type(error).__name__}: {error}; it must be {kind.__name__}") from error
    else:
        pytest.fail(f"{what} was accepted; it must be refused with {kind.__name__}")


def wrong_values(option: Option) -> Iterator[Any]:
    """Yield values that an option cannot have."""
    if option.type in (int, float):
        yield from ("many", float("nan"), True)
        if option.minimum is not None:
            yield option.minimum - 1
        if option.maximum is not None:
            yield option.maximum + 1
    elif option.type is bool:
        yield "perhaps"
    else:
        yield 3
        if option.choices:
            yield "none of " + "".join(option.choices)


class Settings(Subject, kit=True):
    """See the module."""

    def test_wrong_options_are_refused(self, codec: nic.Codec) -> None:
        """Options that do not exist, and values that options cannot have: BadOption."""
        picture = self.picture(8, 8)
        data = self.encode(codec, picture)
        work: dict[str, Callable[..., Any]] = {
            "encode": partial(self.encode, codec, picture),
            "decode": partial(self.decode, codec, data),
        }
        for when, call in work.items():
            refused(BadOption, f"a {when} option that does not exist", call, no_such_option=1)
        for option in self.spec.options:
            for value in wrong_values(option):
                given = {option.key: value}
                refused(BadOption, f"{option.when} with {option.key}={value!r}", work[option.when], **given)

    @pytest.mark.parametrize("quality", [0, 101, -1, float("nan"), "high"])
    def test_wrong_qualities_are_refused(self, codec: nic.Codec, quality: Any) -> None:
        """Qualities are numbers from 1 to 100."""
        refused(BadOption, f"quality {quality!r}", codec.encode, self.picture(8, 8), quality)

    def test_what_is_no_picture_is_refused(self, codec: nic.Codec) -> None:
        """Floats, four dimensions, two channels too many: BadPicture."""
        for what in (np.zeros((64, 64, 3)), np.zeros((64, 64, 5), np.uint8), np.zeros((0, 64, 3), np.uint8)):
            refused(BadPicture, f"an array of {what.shape} of {what.dtype}", codec.encode, what, **self.encode_options)
