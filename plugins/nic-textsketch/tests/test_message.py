"""The codec's own block in a file."""

import random

import pytest
from nic_core.errors import DamagedFile
from nic_core.format.container import File, Header, pack
from nic_textsketch.message import Message, Sketching
from nic_textsketch.prompting.prompts import VOCABULARY

SKETCHING = Sketching(3, "0123abcd", "89ef4567")


@pytest.mark.parametrize("sketching", [None, SKETCHING, Sketching(63, coding="labels"), Sketching(0, coding="file")])
def test_every_message_comes_back(sketching):
    rng = random.Random(0)
    for length in (*range(6), 16, 75):
        for candidates in (1, 2, 4, 255, 256):
            ids = tuple(rng.randrange(VOCABULARY) for _ in range(length))
            seed = rng.choice((0, 127, 128, (1 << 32) - 1))
            for chosen in {0, candidates // 2, candidates - 1}:
                message = Message(ids, seed, candidates, chosen, sketching)
                assert Message.unpack(message.pack(), sketched=sketching is not None) == message


def test_sixteen_tokens_take_less_than_a_hundred_bytes_of_file():
    """The largest there are: the last token of the vocabulary 16 times, the last of 256 candidates."""
    for candidates, bytes_of_file in ((4, 75), (256, 76)):
        message = Message((VOCABULARY - 1,) * 16, 0, candidates, candidates - 1)
        ids = ("01234567", "01234567")
        header = Header(768, 512, 3, 8, "textsketch-pic", "rans", *ids, None, 0, message.pack())
        assert len(pack(File(header, (b"",)))) == bytes_of_file


def test_messages_are_as_they_were():
    """Files depend on these bytes."""
    ids = (1000, 2, 49405)  # 1001 * 49406 ** 2 + 3 * 49406 + 49406
    number = 1001 * 49406**2 + 3 * 49406 + 49406
    assert Message(ids, 300, 4, 1).pack() == bytes.fromhex("ac0203") + (number * 4 + 1).to_bytes(6, "big")
    assert Message((), 0, 1, 0, SKETCHING).pack() == bytes.fromhex("0000030123abcd89ef4567")
    assert Message((), 0, 1, 0, Sketching(3, coding="labels")).pack() == bytes.fromhex("000043")
    assert Message((), 0, 1, 0, Sketching(3, coding="file")).pack() == bytes.fromhex("000083")


def test_other_kinds_of_sketches_are_refused():
    with pytest.raises(DamagedFile, match="a sketch of kind 3, unknown"):
        Message.unpack(bytes.fromhex("0000c3"), sketched=True)


def test_a_sketch_adds_ten_bytes_and_itself():
    """Nine of them here, one in the name of the codec."""
    plain, sketched = (Message((1,) * 16, 0, 4, 3, sketching).pack() for sketching in (None, SKETCHING))
    assert len(sketched) - len(plain) + len("textsketch-pics") - len("textsketch-pic") == 10


@pytest.mark.parametrize("sketched", [False, True])
def test_damaged_blocks_are_refused_or_read(sketched):
    whole = Message((5, 6, 7), 300, 4, 1, SKETCHING if sketched else None).pack()
    short = 3 + 9 * sketched
    for length in range(short):
        with pytest.raises(DamagedFile):
            Message.unpack(whole[:length], sketched)
    with pytest.raises(DamagedFile, match="longer than"):
        Message.unpack(whole + bytes(200), sketched)
    with pytest.raises(DamagedFile, match="digits"):
        Message.unpack(b"\xff" * 20, sketched)
