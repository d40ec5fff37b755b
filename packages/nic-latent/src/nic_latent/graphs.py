"""Transforms as ONNX graphs in a weights file, run by onnxruntime.

The tensor "graphs.NAME" holds a graph as bytes, an ONNX model without the weights file's tensors: it names them as
external data. The tensor "graphs.tensors" holds, as JSON, the names by graph: {"synthesis": ["g_s.0.weight", ...]}.
`nic_nn.weights.graphs` writes both.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from nic_core import progress
from nic_core.errors import BadWeights, NicError, OutOfMemory
from nic_core.files.json_files import parse_json
from nic_core.weights.record import GRAPHS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue

ANALYSIS, SYNTHESIS = "analysis", "synthesis"
"""x to y and z, and y_hat to x_hat; both take what else a codec gives, by name."""
TENSORS = f"{GRAPHS}.tensors"
ERRORS_ONLY = 3


def to_arrays(graphs: Mapping[str, bytes], tensors: Mapping[str, list[str]]) -> dict[str, np.ndarray]:
    """Return graphs as a weights file holds them."""
    text = json.dumps({name: sorted(names) for name, names in tensors.items()}, sort_keys=True, separators=(",", ":"))
    held = {f"{GRAPHS}.{name}": graph for name, graph in graphs.items()} | {TENSORS: text.encode()}
    return {name: np.frombuffer(content, np.uint8) for name, content in held.items()}


class Graph:
    """One transform, ready to run.

    arrays: of the weights file `path`. device: "auto", "cpu", or what onnxruntime has a provider for.
    BadWeights where the file has no such graph, or one that does not run; NicError for a device that is not there.
    """

    def __init__(self, name: str, arrays: Mapping[str, np.ndarray], path: Path, device: str) -> None:
        self.name, self._path = name, path
        content = arrays.get(f"{GRAPHS}.{name}")
        if content is None:
            raise BadWeights(f"{path.name} holds no graph of its {name} transform for onnxruntime")
        options, providers = _options(), _providers(device)
        named = _tensors(arrays, name, path)
        try:
            if named:
                options.add_external_initializers(list(named), list(named.values()))
            self._session = _session(content.tobytes(), options, providers)
        except Exception as error:  # onnxruntime has many types, of which none says more than the others
            raise BadWeights(f"{path.name} holds a graph that onnxruntime cannot use: {_line(error)}") from error
        self.inputs = {found.name: tuple(found.shape) for found in self._session.get_inputs()}

    def __call__(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """Return the outputs, float32 (N, C, H, W). Who listens may end the run at the graph's next operator."""
        progress.check()
        run = _run_options()
        with progress.interruptible(lambda: setattr(run, "terminate", True)):
            return self._outputs(inputs, run)

    def _outputs(self, inputs: Mapping[str, np.ndarray], run: Any) -> list[np.ndarray]:
        try:
            return self._session.run(None, {name: inputs[name] for name in self.inputs}, run)
        except KeyError as error:
            raise BadWeights(f"the {self.name} graph of {self._path.name} asks for {error}, which is none") from error
        except Exception as error:  # as above
            if isinstance(error, MemoryError) or "alloc" in str(error).lower():
                raise OutOfMemory("too little memory for this picture: try a smaller one") from error
            raise BadWeights(f"the {self.name} graph of {self._path.name} does not run: {_line(error)}") from error


def _session(content: bytes, options: Any, providers: list[Any]) -> "InferenceSession":
    from onnxruntime import InferenceSession

    return InferenceSession(content, options, providers=providers)


def _options() -> Any:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    told = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(told) if told.isdecimal() else 0
    # Integer layers run between the transforms, on the same cores: threads that wait for more must not keep them busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _run_options() -> Any:
    from onnxruntime import RunOptions

    return RunOptions()


def _tensors(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> dict[str, "OrtValue"]:
    """Return the tensors that a graph names; transforms run in float32, however they are stored."""
    from onnxruntime import OrtValue

    try:
        names = parse_json(arrays[TENSORS].tobytes())[name]
        return {tensor: OrtValue.ortvalue_from_numpy(_float32(arrays[tensor])) for tensor in names}
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"{path.name} lacks tensors of its {name} graph: {error}") from error


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _providers(device: str) -> list[Any]:
    """Return what runs a graph, first what it should run on; NicError where a device has no provider."""
    from onnxruntime import get_available_providers

    kind, _, number = device.partition(":")
    cuda = ("CUDAExecutionProvider", {"device_id": number or "0"})
    has_cuda = cuda[0] in get_available_providers()
    if kind not in ("auto", "cpu") and not (kind == "cuda" and has_cuda):
        raise NicError(f"onnxruntime has no provider for the device {device!r}: --runtime torch may have one")
    return [*([cuda] if kind in ("auto", "cuda") and has_cuda else []), "CPUExecutionProvider"]


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
