"""Decoder files: the synthesis of weights alone, a few MB, which other weights with the same entropy model complete.

Such a file is safetensors with the tensors of the synthesis and its graph; its record is that of the weights that it
becomes (`WeightsInfo`), under the key "nic-decoder" instead of "nic", so that it is never taken for whole weights.
What becomes of it is a weights file as any other, which `verification` looks through.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nic_core.errors import BadWeights
from nic_core.files.atomic import atomic_path
from nic_core.files.json_files import parse_json
from nic_core.weights.record import DECODER_KEY, DECODER_RANK, GRAPHS, WeightsInfo, read_info
from nic_core.weights.tensors import Entry, read_head, write_tensors

SYNTHESIS_GRAPH, GRAPH_TENSORS = f"{GRAPHS}.synthesis", f"{GRAPHS}.tensors"
"""The graph of the synthesis, and the names of the tensors of each graph as JSON; `nic_latent.graphs` reads them."""
SYNTHESIS = "synthesis"
LARGEST_LIST = 1 << 20


@dataclass(frozen=True)
class Piece:
    """A tensor: its entry, and its bytes or the file that has them."""

    entry: Entry
    content: bytes | Path


def is_decoder(path: str | os.PathLike[str]) -> bool:
    """Return whether a file holds a synthesis alone; False for anything else, files that cannot be read included."""
    try:
        return DECODER_KEY in read_head(Path(path)).metadata
    except (OSError, ValueError):
        return False


def cut(path: Path, output: Path) -> WeightsInfo:
    """Write the synthesis of whole weights as a decoder file; return its record.

    BadWeights for weights that have no synthesis in tensors, or that are a decoder file already; CannotWrite.
    """
    info = replace(read_info(path), rank=DECODER_RANK)
    if is_decoder(path):
        raise BadWeights(f"{path.name} is a decoder file already")
    entries = read_head(path).entries
    pieces = {name: Piece(entry, path) for name, entry in entries.items() if info.scope.role(name) == SYNTHESIS}
    if not pieces:
        raise BadWeights(f"{path.name} holds no tensors of a synthesis, so no decoder file can be made of it")
    if SYNTHESIS_GRAPH in entries:
        names = _graph_tensors(path, entries).get(SYNTHESIS, [])
        pieces |= {SYNTHESIS_GRAPH: Piece(entries[SYNTHESIS_GRAPH], path), GRAPH_TENSORS: _listed({SYNTHESIS: names})}
    _write(output, pieces, info.to_metadata(DECODER_KEY))
    return info


def join(decoder: Path, whole: Path, output: Path) -> None:
    """Write the weights file that a decoder file becomes with whole weights of the same entropy model.

    It has the decoder's record, its synthesis and its graph, and everything else of the whole weights; without a graph
    of its synthesis, none at all. Nothing here is believed: verify what was written.
    BadWeights for a decoder file that holds anything else than a synthesis; CannotWrite.
    """
    info, own = read_info(decoder), read_head(decoder).entries
    allowed = {SYNTHESIS_GRAPH, GRAPH_TENSORS}
    if strangers := [name for name in own if info.scope.role(name) != SYNTHESIS and name not in allowed]:
        raise BadWeights(f"{decoder.name} is no decoder file: it holds {strangers[0][:80]!r}, which is no synthesis")
    # Under both names: the analysis keeps what it shares with a synthesis that goes.
    entries = read_info(whole).scope.whole(read_head(whole).entries)
    pieces = {name: Piece(entry, whole) for name, entry in entries.items() if info.scope.role(name) != SYNTHESIS}
    graphs = [name for name in pieces if name.startswith(f"{GRAPHS}.")]
    lists = _graph_tensors(whole, entries) if graphs else {}
    for name in graphs:
        if name in (GRAPH_TENSORS, SYNTHESIS_GRAPH) or SYNTHESIS_GRAPH not in own:
            del pieces[name]
    pieces |= {name: Piece(entry, decoder) for name, entry in own.items() if name != GRAPH_TENSORS}
    if SYNTHESIS_GRAPH in own:
        pieces[GRAPH_TENSORS] = _listed({**lists, SYNTHESIS: _graph_tensors(decoder, own).get(SYNTHESIS, [])})
    _write(output, pieces, info.to_metadata())


def _write(output: Path, pieces: Mapping[str, Piece], metadata: Mapping[str, str]) -> None:
    with atomic_path(output) as temporary:
        write_tensors(temporary, {name: (piece.entry, piece.content) for name, piece in pieces.items()}, metadata)


def _listed(lists: Mapping[str, Any]) -> Piece:
    text = json.dumps(lists, sort_keys=True, separators=(",", ":")).encode()
    return Piece(Entry("|u1", (len(text),), 0, len(text)), text)


def _graph_tensors(path: Path, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the names of tensors by graph; BadWeights where they are damaged."""
    entry = entries.get(GRAPH_TENSORS)
    if entry is None or entry.end - entry.start > LARGEST_LIST:
        raise BadWeights(f"{path.name} has a graph, but does not say whose tensors it takes")
    with path.open("rb") as file:
        file.seek(entry.start)
        text = file.read(entry.end - entry.start)
    try:
        lists = parse_json(text)
    except ValueError as error:
        raise BadWeights(f"{path.name} holds a damaged list of its graphs' tensors: {error}") from error
    if not isinstance(lists, dict):
        raise BadWeights(f"{path.name} holds a damaged list of its graphs' tensors")
    return lists
