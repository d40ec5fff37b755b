"""Codes whole files while transforms are computed in another way: what settings.py runs in a process of its own.

python tools/benchmarks/under_setting.py SETTING encode|decode JOBS.json

JOBS.json holds one row for each file: codec, weights or null, quality or null, picture, file. Prints, as JSON, torch's
version and for each file the SHA-256 of what came out, the file's bytes or the pixels, or null where it is lost.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nic_core
import torch
from nic_core.errors import NicError
from nic_core.host.codec import Codec
from nic_core.host.runtimes import Runtime
from nic_nn.model import LatentModel
from noise import disturbed
from torch import Tensor, nn


@contextmanager
def taking(model: LatentModel, convert: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Convert what the transforms take for the length of a block."""

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[object, ...]:
        return convert(inputs[0]), *inputs[1:]

    hooks = [part.register_forward_pre_hook(before) for part in (model.g_a, model.h_a, model.g_s)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def in_float64(model: LatentModel) -> AbstractContextManager[None]:
    """Compute in float64; the model stays as it then is."""
    return taking(model.double(), Tensor.double)


def in_planes(model: LatentModel) -> AbstractContextManager[None]:
    """Compute on channels first; the model stays as it then is."""
    return taking(model.to(memory_format=torch.contiguous_format), Tensor.contiguous)


@dataclass(frozen=True)
class Setting:
    """How transforms are computed.

    block: what a model runs in. environment: variables that its process is started with. runtime: who computes.
    """

    block: Callable[[LatentModel], AbstractContextManager] = nullcontext
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: Runtime = "torch"


USUAL = "usual"
SETTINGS = {
    USUAL: Setting(),
    "oneDNN limited to SSE4.1": Setting(environment={"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "oneDNN off": Setting(lambda model: torch.backends.mkldnn.flags(enabled=False)),
    "memory format not channels last": Setting(in_planes),
    "float64": Setting(in_float64),
    "bfloat16 (autocast)": Setting(lambda model: torch.autocast("cpu", torch.bfloat16)),
    "relative noise 1e-7": Setting(lambda model: disturbed(model, 1e-7)),
    "relative noise 1e-6": Setting(lambda model: disturbed(model, 1e-6)),
    "onnxruntime": Setting(runtime="onnx"),
}


def code(codec: Codec, verb: str, quality: float | None, picture: Path, file: Path) -> str | None:
    """Encode a picture into a file, or decode the file; return the hash of what comes out, None where it is lost."""
    try:
        if verb == "decode":
            return hashlib.sha256(codec.decode_picture(file.read_bytes()).pixels.data).hexdigest()
        data = codec.encode(picture, quality)
    except NicError:
        return None
    file.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def main(name: str, verb: str, jobs: Path) -> None:
    """Code all files."""
    load = cache(lambda codec, weights: nic_core.load(codec, weights, "cpu", SETTINGS[name].runtime))
    found = []
    for identity, weights, quality, picture, file in json.loads(jobs.read_text()):
        codec = load(identity, weights)
        with SETTINGS[name].block(codec.model):
            found.append(code(codec, verb, quality, Path(picture), Path(file)))
    print(json.dumps({"torch": torch.__version__, "files": found}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
