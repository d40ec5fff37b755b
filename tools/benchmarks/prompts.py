"""How many bytes a prompt takes, coded in several ways.

python tools/benchmarks/prompts.py captions.json

captions.json is an object with a text for each picture. Beside them are as many prompts of 16 tokens at random, which
is what prompts found by inversion look like to a coder.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from nic_core.errors import NicError
from nic_core.host.tables import read_table
from nic_textsketch.prompting import prompts
from open_clip.tokenizer import SimpleTokenizer
from rich.console import Console
from rich.table import Table

try:
    import brotli
except ImportError:
    brotli = None

DICTIONARY_BYTES = 1 << 15  # what deflate looks back


def deflated(text: str, dictionary: str) -> int:
    """Return the bytes of a raw deflate stream with a dictionary, whose end is the cheapest to refer to."""
    shared = dictionary.encode()[-DICTIONARY_BYTES:]
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=shared)
    return len(coder.compress(text.encode()) + coder.flush())


def vocabulary() -> str:
    """Return CLIP's whole words, the commonest last."""
    words = [word.removesuffix("</w>") for word in SimpleTokenizer().encoder if word.endswith("</w>")]
    return " ".join(reversed(words))


def by_rank(ids: Sequence[int]) -> int:
    """Return the bytes of ids with probabilities by Zipf's law, ids being ranks, and 1/16 for the end after each."""
    cost = np.log2(np.arange(prompts.VOCABULARY) + 250.0)  # the best offset for captions
    cost += math.log2(np.exp2(-cost).sum()) - math.log2(15 / 16)
    return math.ceil((cost[list(ids)].sum() + 4) / 8)


@click.command(help=__doc__)
@click.argument("captions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Of the random prompts.")
def main(captions: Path, seed: int) -> None:
    """Print the table."""
    try:
        texts = [str(several[0]) for several in read_table(captions).values.values()]
    except NicError as error:
        raise click.UsageError(str(error)) from error
    drawn = np.random.default_rng(seed).integers(prompts.VOCABULARY, size=(len(texts), 16)).tolist()
    groups = [(text, prompts.tokens(text)) for text in texts], [(prompts.text(ids), ids) for ids in drawn]
    words = vocabulary()

    def with_the_others(text: str) -> int:
        return deflated(text, "\n".join(other for other in texts if other != text))

    ways: dict[str, Callable[[str, Sequence[int]], int]] = {
        "UTF-8": lambda text, ids: len(text.encode()),
        "zlib": lambda text, ids: len(zlib.compress(text.encode(), 9)),
        "deflate": lambda text, ids: deflated(text, ""),
        "deflate, dictionary of CLIP's words": lambda text, ids: deflated(text, words),
        "deflate, dictionary of the other captions": lambda text, ids: with_the_others(text),
        "CLIP ids as one number": lambda text, ids: math.ceil(prompts.number_of(ids).bit_length() / 8),
        "CLIP ids by Zipf's law (ideal)": lambda text, ids: by_rank(ids),
    }
    if brotli:
        ways["brotli"] = lambda text, ids: len(brotli.compress(text.encode(), mode=brotli.MODE_TEXT))

    table = Table("bytes: mean, largest", box=None)
    for heading in (f"{len(texts)} captions", f"{len(drawn)} random prompts"):
        table.add_column(heading, justify="right")
    for name, size in ways.items():
        sizes = [[size(text, ids) for text, ids in group] for group in groups]
        table.add_row(name, *(f"{np.mean(group):.1f}  {max(group)}" for group in sizes))
    Console().print(table)
    if not brotli:
        print("brotli is left out, for it is not installed: pip install brotli")


if __name__ == "__main__":
    main()
