"""Entropy coders against each other on the latents of real pictures: symbols a second and bits above the tables' ideal.

    hatch run python tools/benchmarks/entropy.py --data kodak/
    hatch run python tools/benchmarks/entropy.py --data kodak/ --codec tbtc-swint-charm@weights.safetensors

The symbols, table indexes and tables are those that codecs push while they encode; weights must be trained, since
random ones have no real statistics. The other coders are optional and left out where they are not installed:

    uv pip install constriction torchac torch-ans ninja

Each gets the symbols in the groups in which a decoder can ask for them. constriction and torchac take one model at a
time, so their symbols are sorted by table within a group, which is not timed; torchac then makes one stream of each.
These two have no escapes: an escape's integer costs nothing there.

Speeds are from sums over pictures of medians over runs, after one that does not count, on one thread; "of the first's"
are the ratios to the first coder's.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nic_core as nic
import numpy as np
import torch
from nic_core import native
from nic_core.coding import Interleaved, Tables
from nic_core.coding.choice import kernels
from nic_core.coding.interleaved import InterleavedEncoder
from nic_core.coding.pure import PureKernels
from nic_nn.entropy.rans import Rans

QUALITIES = (10, 50, 90)
LEAST_SECONDS = 0.5
"""A quick coder runs for as long on a picture, so that the median is one of many."""
ESCAPES = {"freq_precision": 16, "bypass_coding": True, "bypass_precision": 4}
"""What torch-ans is told, to code as compressai does."""


class Group(NamedTuple):
    """What is pushed at once: int32 symbols (K,), table indexes (K,), and the tables."""

    symbols: np.ndarray
    indexes: np.ndarray
    tables: Tables


class Coder(NamedTuple):
    """A contestant. code: returns the bits of groups and a function that decodes and returns the symbols."""

    name: str
    code: Callable[[list[Group]], tuple[int, Callable[[], list[np.ndarray]]]]
    prepare: Callable[[list[Group]], Any] = lambda groups: groups


def record(codec: nic.Codec, picture: Path, quality: float | None) -> list[Group]:
    """Return what a codec pushes when it encodes a picture."""
    groups, push = [], InterleavedEncoder.push

    def recording(self: InterleavedEncoder, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        groups.append(Group(symbols.copy(), indexes.copy(), tables))
        push(self, symbols, indexes, tables)

    InterleavedEncoder.push = recording  # type: ignore[method-assign]
    try:
        codec.encode(picture, quality)
    finally:
        InterleavedEncoder.push = push  # type: ignore[method-assign]
    return groups


def intervals(group: Group) -> np.ndarray:
    """Return the interval of each symbol within its row, the last one for escapes."""
    slots = np.empty(group.symbols.size, np.uint32)
    PureKernels().place(group.tables, group.symbols, group.indexes, slots)
    return slots - group.tables.slots.base[group.indexes]


def ideal_bits(groups: list[Group]) -> float:
    """Return the sum of -log2 p, and 8 for each byte of an escape."""
    bits = 0.0
    for group in groups:
        slots = np.empty(group.symbols.size, np.uint32)
        _, escapes, _ = PureKernels().place(group.tables, group.symbols, group.indexes, slots)
        bits += (16 - np.log2(group.tables.slots.frequency[slots])).sum() + 8 * len(escapes)
    return bits


def incremental(coder: Any) -> Callable:
    """Return the contestant that a coder with nic's contract is."""

    def code(groups: list[Group]) -> tuple[int, Callable]:
        encoder = coder.encoder()
        for group in groups:
            encoder.push(*group)
        data = encoder.finish()

        def decode() -> list[np.ndarray]:
            decoder = coder.decoder(data, sum(group.symbols.size for group in groups))
            pulled = [decoder.pull(group.indexes, group.tables) for group in groups]
            decoder.finish()
            return pulled

        return 8 * len(data), decode

    return code


class Run(NamedTuple):
    """Symbols of one group under one row, as intervals: int32 (K,)."""

    tables: Tables
    row: int
    intervals: np.ndarray


def sorted_runs(groups: list[Group]) -> list[Run]:
    """Return groups as runs of one row each."""
    runs = []
    for group in groups:
        places = intervals(group).astype(np.int32)
        order = np.argsort(group.indexes, kind="stable")
        rows, first = np.unique(group.indexes[order], return_index=True)
        pieces = np.split(places[order], first[1:])
        runs += [Run(group.tables, int(row), piece) for row, piece in zip(rows, pieces, strict=True)]
    return runs


def constriction() -> Coder:
    """constriction's ANS coder, a categorical model for each row."""
    from constriction import stream

    Categorical, AnsCoder = stream.model.Categorical, stream.stack.AnsCoder

    @cache
    def model(tables: Tables, row: int) -> Any:
        return Categorical(np.diff(tables.rows[row]).astype(np.float32) / 65536, perfect=False)

    def code(runs: list[Run]) -> tuple[int, Callable]:
        coder = AnsCoder()
        for run in reversed(runs):
            coder.encode_reverse(run.intervals, model(run.tables, run.row))
        words = coder.get_compressed()

        def decode() -> list[np.ndarray]:
            coder = AnsCoder(words)
            return [coder.decode(model(run.tables, run.row), run.intervals.size) for run in runs]

        return 32 * len(words), decode

    return Coder("constriction", code, sorted_runs)


def torchac() -> Coder:
    """torchac's range coder."""
    import torchac

    def prepare(groups: list[Group]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        def cdf(run: Run) -> torch.Tensor:
            row = torch.from_numpy(run.tables.rows[run.row].astype(np.uint16).view(np.int16))  # 65536 becomes 0 there
            return row.expand(run.intervals.size, -1).contiguous()

        return [(cdf(run), torch.from_numpy(run.intervals.astype(np.int16))) for run in sorted_runs(groups)]

    def code(runs: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[int, Callable]:
        streams = [torchac.encode_int16_normalized_cdf(cdf, symbols) for cdf, symbols in runs]

        def decode() -> list[np.ndarray]:
            pairs = zip(runs, streams, strict=True)
            return [torchac.decode_int16_normalized_cdf(cdf, stream).numpy() for (cdf, _), stream in pairs]

        return 8 * sum(map(len, streams)), decode

    return Coder("torchac", code, prepare)


def torch_ans(states: int) -> Coder:
    """torch-ans, 64-bit rANS with as many interleaved states, one stream."""
    from torch_ans import utils

    suffix = f"_i{states}" if states > 1 else ""
    push, pop = getattr(utils, f"rans64{suffix}_push"), getattr(utils, f"rans64{suffix}_pop")

    def prepare(groups: list[Group]) -> list[tuple]:
        def tensors(tables: Tables) -> tuple[torch.Tensor, ...]:
            return tuple(map(torch.from_numpy, (tables.cdf, tables.length, tables.offset)))

        made = {id(group.tables): tensors(group.tables) for group in groups}
        return [
            (torch.from_numpy(group.symbols)[None], torch.from_numpy(group.indexes)[None], made[id(group.tables)])
            for group in groups
        ]

    def code(groups: list[tuple]) -> tuple[int, Callable]:
        room = 4 * sum(symbols.numel() for symbols, *_ in groups) + 1024
        stream = utils.rans64_init_stream(1, states, room)
        for symbols, indexes, tables in reversed(groups):
            push(stream, symbols, indexes, *tables, **ESCAPES)
        [data] = utils.rans_stream_to_byte_strings(stream)

        def decode() -> list[np.ndarray]:
            stream = utils.rans_byte_strings_to_stream([data])
            return [pop(stream, indexes, *tables, **ESCAPES)[0].numpy() for _, indexes, tables in groups]

        return 8 * len(data), decode

    return Coder(f"torch-ans, {states} states", code, prepare)


def contestants() -> Iterator[Coder]:
    """Yield all coders that are installed."""
    if isinstance(kernels(), PureKernels):
        print(f"no compiled form of interleaved: {native.why_not()}")
    else:
        yield Coder("interleaved, compiled", incremental(Interleaved()))
    yield Coder("interleaved, Python", incremental(Interleaved(PureKernels())))
    yield Coder("rans (compressai)", incremental(Rans()))
    for make in (constriction, torchac, lambda: torch_ans(1), lambda: torch_ans(4)):
        try:
            yield make()
        except ImportError as error:
            print(f"left out: {error}")


def measure(coder: Coder, pictures: list[list[Group]], runs: int) -> tuple[float, float, float]:
    """Return symbols a second encoding and decoding, and bits above the ideal as a share of it."""
    seconds, bits = np.zeros(2), 0
    for groups in pictures:
        given, took = coder.prepare(groups), []
        start = time.perf_counter()
        while len(took) <= runs or (time.perf_counter() - start < LEAST_SECONDS and len(took) < 500):
            took.append([time.perf_counter()])
            some, decode = coder.code(given)
            took[-1].append(time.perf_counter())
            decoded = decode()
            took[-1].append(time.perf_counter())
        check(decoded, given, groups)
        seconds += np.median(np.diff(took[1:], axis=1), axis=0)
        bits += some
    encode, decode_all = sum(group.symbols.size for groups in pictures for group in groups) / seconds
    return encode, decode_all, bits / sum(map(ideal_bits, pictures)) - 1


def check(decoded: list[np.ndarray], given: Any, groups: list[Group]) -> None:
    """Compare what was decoded with the symbols, or with the intervals of a coder that takes those."""
    expected = [run.intervals for run in given] if isinstance(given[0], Run) else None
    if expected is None and isinstance(given[0], tuple) and len(given[0]) == 2:
        expected = [symbols.numpy() for _, symbols in given]
    for found, right in zip(decoded, expected or [group.symbols for group in groups], strict=True):
        np.testing.assert_array_equal(found, right)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--codec", action="append", help="codec@weights; may be repeated [default: mini]")
    parser.add_argument("--pictures", type=int, default=3, help="how many, in the order of their names [default: 3]")
    parser.add_argument("--runs", type=int, default=9, help="medians are over this many [default: 9]")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(options.data.glob("*.png"))[: options.pictures]
    if not paths:
        parser.error(f"no PNG files in {options.data}")
    coders = list(contestants())
    print(
        "| latents | bits a symbol | coder | encode, M/s | decode, M/s | of the first's | bits |\n" + "|---" * 7 + "|"
    )
    for name in options.codec or ["mini"]:
        identifier, _, weights = name.partition("@")
        codec = nic.load(identifier, weights or None, "cpu")
        for quality in QUALITIES if not weights else (None,):
            pictures = [record(codec, path, quality) for path in paths]
            count = sum(group.symbols.size for groups in pictures for group in groups)
            rate, first = sum(map(ideal_bits, pictures)) / count, None
            for coder in coders:
                few = coder.name == "interleaved, Python"
                encode, decode, above = measure(coder, pictures, min(3, options.runs) if few else options.runs)
                first = first or (encode, decode)
                of = f"{encode / first[0]:.3f}, {decode / first[1]:.3f}"
                label = f"{identifier} {quality or ''}".strip()
                speeds = f"{encode / 1e6:.1f} | {decode / 1e6:.1f}"
                print(f"| {label} | {rate:.3f} | {coder.name} | {speeds} | {of} | {100 * above:+.2f} % |", flush=True)


if __name__ == "__main__":
    main()
