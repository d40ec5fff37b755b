"""Prompts as ids, and ids as numbers."""

import numpy as np
import pytest
from nic_core.errors import BadOption, DamagedFile
from nic_textsketch.prompting import prompts
from nic_textsketch.prompting.prompts import LONGEST, VOCABULARY

LAST = VOCABULARY - 1


def random_ids(count):
    return tuple(np.random.default_rng(count).integers(VOCABULARY, size=count).tolist())


@pytest.mark.parametrize(
    "ids", [(), (0,), (0, 0, 0), (LAST,), (LAST, 0), (0,) * LONGEST, (LAST,) * LONGEST, *map(random_ids, range(1, 76))]
)
def test_every_sequence_comes_back(ids):
    assert prompts.ids_of(prompts.number_of(ids)) == ids


def test_every_number_is_of_one_sequence():
    sequences = [prompts.ids_of(number) for number in range(70_000)]
    assert len(set(sequences)) == 70_000
    assert [prompts.number_of(ids) for ids in sequences] == list(range(70_000))


def test_sixteen_tokens_take_250_bits():
    assert prompts.number_of((LAST,) * 16).bit_length() == 250


@pytest.mark.parametrize("extra", [1, 1000, 1 << 10_000])
def test_a_prompt_that_no_encoder_wrote(extra):
    number = prompts.number_of((LAST,) * LONGEST)
    assert len(prompts.ids_of(number)) == LONGEST
    with pytest.raises(DamagedFile, match="longer than the 75 tokens"):
        prompts.ids_of(number + extra)


@pytest.mark.parametrize("special", [-1, prompts.START, prompts.END])
def test_special_tokens_are_no_part_of_a_prompt(special):
    with pytest.raises(ValueError, match=str(special)):
        prompts.number_of((1, special))


def test_text():
    ids = prompts.tokens("  A red barn,\nnext to  water &amp; caf\u00e9s ")
    assert prompts.text(ids) == "a red barn , next to water & caf\u00e9s"
    assert prompts.tokens(prompts.text(ids)) == ids
    assert prompts.tokens("red<end_of_text>barn <START_OF_TEXT>") == prompts.tokens("red barn")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no words"),
        (" \n", "no words"),
        ("<end_of_text>", "no words"),
        ("red " * 76, "76 tokens and CLIP takes 75"),
    ],
)
def test_what_is_no_prompt(text, says):
    with pytest.raises(BadOption, match=says) as raised:
        prompts.tokens(text)
    assert "\n" not in str(raised.value)
