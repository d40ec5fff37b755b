"""A prompt as CLIP's token ids, and these as one number, the smallest form (tools/benchmarks/prompts.py compares)."""

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

from nic_core.errors import BadOption, DamagedFile

START, END = 49406, 49407
"""The ids that open and close a text. They are the last ones, and no prompt has them."""

VOCABULARY = START
"""How many ids a prompt is made of."""

LONGEST = 75
"""Tokens that CLIP takes besides start and end."""


def tokens(text: str) -> tuple[int, ...]:
    """Return the ids of a text without start and end, both of which are left out wherever they are spelled.

    BadOption where none or more than CLIP takes are left.
    """
    ids = tuple(token for token in _tokenizer().encode(text) if token < VOCABULARY)
    if not ids:
        raise BadOption(f"the prompt {text!r} has no words")
    if len(ids) > LONGEST:
        raise BadOption(f"the prompt has {len(ids)} tokens and CLIP takes {LONGEST}: shorten it")
    return ids


def text(ids: Iterable[int]) -> str:
    """Return what ids say, on one line.

    Tokens that make up half a character come as U+FFFD and control characters as spaces, so this need not give `tokens`
    back.
    """
    said = _tokenizer().decode(ids)
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in said).strip()


def number_of(ids: Iterable[int]) -> int:
    """Return the number of a sequence of ids: every sequence has one and every number is one's.

    Bijective numeration: a digit counts from 1, so leading zeros do not vanish and no length is needed. 16 ids have a
    number of 250 bits. ValueError for an id that is none of a prompt's.
    """
    number = 0
    for token in ids:
        if not 0 <= token < VOCABULARY:
            raise ValueError(f"{token} is not from 0 to {VOCABULARY - 1}")
        number = number * VOCABULARY + token + 1
    return number


def ids_of(number: int) -> tuple[int, ...]:
    """Return the ids of a number from 0; DamagedFile where they are more than CLIP takes."""
    if number > _largest():
        raise DamagedFile(f"the prompt is longer than the {LONGEST} tokens that CLIP takes")
    ids = []
    while number:
        number, token = divmod(number - 1, VOCABULARY)
        ids.append(token)
    return tuple(reversed(ids))


@cache
def _largest() -> int:
    return number_of([VOCABULARY - 1] * LONGEST)


@cache
def _tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer  # takes seconds

    return SimpleTokenizer()
