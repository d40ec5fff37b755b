"""What runs a codec's transforms: torch, in bfloat16 if so wanted, or onnxruntime where weights hold graphs for it."""

import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from nic_core.errors import BadOption, BadWeights, NicError
from nic_core.plugins import blamed
from nic_core.spec import CodecSpec, resolve
from nic_core.weights.record import GRAPHS
from nic_core.weights.tensors import read_head

Runtime = Literal["auto", "torch", "torch-bf16", "onnx"]
RUNTIMES: tuple[str, ...] = get_args(Runtime)
NVIDIA = ("/dev/nvidiactl", "/proc/driver/nvidia")


def checked(runtime: str) -> Runtime:
    """Return a runtime that is one; BadOption for others."""
    if runtime not in RUNTIMES:
        raise BadOption(f"the runtime must be {', '.join(RUNTIMES)}, not {runtime[:80]!r}")
    return runtime  # type: ignore[return-value]


def target_of(spec: CodecSpec, path: Path | None, device: str, runtime: Runtime) -> Any:
    """Return the class that opens a codec with the weights file `path`, if it has one, on a device.

    By itself ("auto") that is onnxruntime's where it is installed and the file has graphs, unless the device is one
    that torch is for: a GPU that is named, or in sight where torch is installed. BadWeights and NicError say what is
    missing for a runtime that was asked for, or for all.
    """
    by_graphs = runtime == "onnx" or (runtime == "auto" and path and spec.graphs and _prefers_graphs(path, device))
    if path and spec.graphs and by_graphs:
        if not has_graphs(path):
            raise BadWeights(
                f"{path.name} holds no graphs for onnxruntime: it was exported without; nic weights upgrade adds them"
            )
        if not find_spec("onnxruntime"):
            raise NicError("onnxruntime is not installed: pip install onnxruntime, or --runtime torch")
        with blamed(spec, "its import"):
            return resolve(spec.graphs)
    if runtime == "onnx":
        raise BadOption(f"{spec.id} has no graphs for onnxruntime: --runtime torch")
    with blamed(spec, "its import"):
        try:
            return resolve(spec.target)
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "nic_nn"):
                raise
            raise NicError(_needs_torch(spec, path, runtime)) from error


def runtime_for(spec: CodecSpec, options: dict[str, Any], runtime: Runtime) -> Runtime:
    """Return what runs transforms with these options: torch instead of "auto" where one has a value that needs it.

    options: of one direction, checked. BadOption where another was asked for, NicError where there is no torch.
    """
    needs = (
        option for option in spec.options if option.torch and options.get(option.key, option.default) != option.default
    )
    option = next(needs, None)
    if option is None or runtime.startswith("torch"):
        return runtime
    if runtime == "onnx":
        raise BadOption(f"{option.name} needs torch, onnxruntime cannot do it: leave out the one or the other")
    if not find_spec("torch"):
        extra = "[torch]" if spec.graphs else ""
        raise NicError(f"{option.name} needs torch, which is not installed: pip install {_package(spec)}{extra}")
    return "torch"


def has_graphs(path: Path) -> bool:
    """Return whether a weights file holds graphs."""
    return any(name.startswith(f"{GRAPHS}.") for name in read_head(path).entries)


def _prefers_graphs(path: Path, device: str) -> bool:
    if not find_spec("onnxruntime") or not has_graphs(path):
        return False
    if not find_spec("torch"):
        return True
    return device == "cpu" or (device == "auto" and not _gpu_in_sight())


def _gpu_in_sight() -> bool:
    """Return whether torch would likely find a GPU, without importing it."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return apple or any(map(os.path.exists, NVIDIA)) or shutil.which("nvidia-smi") is not None


def _needs_torch(spec: CodecSpec, path: Path | None, runtime: Runtime) -> str:
    package = _package(spec)
    if path is None or not spec.graphs:
        return f"{spec.id} needs torch, which is not installed: pip install {package}"
    if not has_graphs(path):
        return f"{path.name} holds no graphs for onnxruntime, and torch is not installed: pip install {package}[torch]"
    if runtime.startswith("torch"):
        return f"torch is not installed: pip install {package}[torch], or leave the runtime to nic"
    return f"neither onnxruntime nor torch is installed: pip install onnxruntime, or {package}[torch]"


def _package(spec: CodecSpec) -> str:
    """Return the distribution that brings a codec."""
    return spec.target.partition(":")[0].partition(".")[0].replace("_", "-")
