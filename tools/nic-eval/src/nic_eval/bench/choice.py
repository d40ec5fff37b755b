"""Which codecs a benchmark measures, with which weights and by which runtimes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nic_core import api, plugins, weights
from nic_core.errors import NicError, WeightsNotFound
from nic_core.host.choice import Choice, nearest_quality
from nic_core.host.runtimes import Runtime, has_graphs
from nic_core.spec import DECODER, CodecSpec, WeightsSpec

from nic_eval.bench.machine import FAST_BF16
from nic_eval.bench.report import LeftOut


@dataclass(frozen=True)
class Candidate:
    """A codec that someone named, or one that is installed.

    options: of encoding and of decoding, checked. weights: None where there are none.
    """

    spec: CodecSpec
    weights: WeightsSpec | None
    encode_options: Mapping[str, Any] = field(default_factory=dict)
    decode_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What is measured. path: of the weights. quality: None for weights of a single rate."""

    candidate: Candidate
    path: Path
    name: str
    random: bool
    quality: float | None

    def runtimes(self, instructions: Sequence[str]) -> tuple[Runtime, ...]:
        """Return what can run the transforms on a processor with these instruction sets, named as in `machine`."""
        graphs = self.candidate.spec.graphs and find_spec("onnxruntime") and has_graphs(self.path)
        torch = find_spec("torch")
        lower = torch and not FAST_BF16.isdisjoint(instructions)
        found: list[tuple[Runtime, Any]] = [("torch", torch), ("torch-bf16", lower), ("onnx", graphs)]
        return tuple(runtime for runtime, there in found if there)


def candidates(texts: Sequence[str], quality: float | None, random: bool) -> list[Candidate]:
    """Return codecs by "id[@weights][:key=value,...]", or all that are installed.

    CodecNotFound, WeightsNotFound and BadOption for what does not exist; for a named codec without weights, too, unless
    they may be random.
    """
    if not texts:
        return [_candidate(spec, None, {}, quality, needed=False) for spec in plugins.list_codecs()]
    found = []
    for text in texts:
        codec, chosen, options = api.parse_codec(text)
        spec = plugins.codec_spec(codec or weights.default_codec())
        explicit = weights.resolve(chosen, spec.id) if chosen else None
        if explicit and explicit.codec != spec.id:
            raise WeightsNotFound(f"{chosen} holds weights of {explicit.codec}, not of {spec.id}")
        found.append(_candidate(spec, explicit, options, quality, needed=not random))
    return found


def _candidate(
    spec: CodecSpec, explicit: WeightsSpec | None, options: Mapping[str, str], quality: float | None, needed: bool
) -> Candidate:
    choice = Choice(spec.id, explicit)
    single = explicit is not None and not isinstance(explicit.quality, tuple)
    found = choice.for_quality(None if single else quality) if choice.known or needed else None
    decoding = {key: value for key, value in options.items() if key.replace("_", "-") in spec.settings("decode")}
    encoding = {key: value for key, value in options.items() if key not in decoding}
    decode_options = spec.options_for("decode", decoding)
    if found and DECODER in spec.options and (decoder := decode_options[DECODER.key]):
        found = choice.for_decoder(found.entropy_id, found.synthesis_id, decoder)  # whose stages are those to time
    return Candidate(spec, found, spec.options_for("encode", encoding), decode_options)


def entries(
    candidates: Sequence[Candidate],
    quality: float | None,
    make_random: Callable[[str], Path] | None,
    leave_out: Callable[[LeftOut], None],
) -> Iterator[Entry]:
    """Yield what can be measured.

    make_random: writes random weights of a codec and returns their file; None to do without. leave_out: told the rest.
    """
    for candidate in candidates:
        codec = candidate.spec.id
        if not candidate.spec.weights:
            leave_out(LeftOut(codec, "", "it is no codec of latents, and has no stages to time"))
            continue
        try:
            if candidate.weights is not None:
                spec = weights.local(candidate.weights)
                random = False
            elif make_random is not None:
                spec = weights.spec_of(make_random(codec))
                random = True
            else:
                leave_out(LeftOut(codec, "", "no weights"))
                continue
        except NicError as error:
            leave_out(LeftOut(codec, "", str(error)))
            continue
        taken = nearest_quality(spec, quality) if isinstance(spec.quality, tuple) else None
        yield Entry(candidate, Path(spec.location), spec.name, random, taken)
