"""The transforms of a latent model as ONNX graphs, to be run without torch; see `nic_latent.graphs`."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from nic_latent.graphs import ANALYSIS, SYNTHESIS, to_arrays
from torch import Tensor, nn

from nic_nn.model import LatentModel

SIDES = (4, 5)
"""Of the picture that is traced, in strides: two numbers, so that none is taken for the other."""
MODEL = "model"
LARGEST_OWN = 1 << 16
"""Bytes of a constant that a graph holds itself."""


class Analysis(nn.Module):
    """x and what else the model asks for, to y and z."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        """Run it."""
        y = self.model.analyse(x, *others)
        return y, self.model.h_a(y)


class Synthesis(nn.Module):
    """y_hat and what else the model asks for, to x_hat."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, y_hat: Tensor, *others: Tensor) -> Tensor:
        """Run it."""
        return self.model.synthesise(y_hat, *others)


def graphs_of(model: LatentModel) -> dict[str, np.ndarray]:
    """Return the graphs of a model as arrays of its weights file; ValueError says why it has none."""
    model = model.eval()
    height, width = SIDES
    x = torch.zeros(1, model.picture_channels, height * model.stride, width * model.stride)
    ratio = model.stride // model.y_stride
    y_hat = torch.zeros(1, model.channels[0], height * ratio, width * ratio)
    others = [torch.full(shape, 50.0) for shape in model.graph_inputs.values()]
    parts: dict[str, tuple[nn.Module, str, Tensor]] = {
        ANALYSIS: (Analysis(model), "x", x),
        SYNTHESIS: (Synthesis(model), "y_hat", y_hat),
    }
    graphs, tensors = {}, {}
    for name in model.graphs:
        part, first, value = parts[name]
        made = _exported(part, (value, *others), (first, *model.graph_inputs))
        # What transforms share goes by the name of each one's own: another synthesis must not change an analysis.
        foreign = model.synthesis_modules if name == ANALYSIS else model.analysis_modules
        state = {key: value for key, value in model.state_dict().items() if key.partition(".")[0] not in foreign}
        graphs[name], tensors[name] = _without_tensors(made, state)
    return to_arrays(graphs, tensors) if graphs else {}


def _exported(part: nn.Module, values: tuple[Tensor, ...], names: Sequence[str]) -> Any:
    """Return the ONNX model of a module, for any height and width of its first input."""
    dynamic = torch.export.Dim.DYNAMIC
    shapes: list[Any] = [{2: dynamic, 3: dynamic}]
    if len(values) > 1:
        shapes.append(tuple({} for _ in values[1:]))
    try:
        with _quiet():
            program = torch.onnx.export(
                part, values, input_names=list(names), dynamic_shapes=tuple(shapes), dynamo=True, verbose=False
            )
    except Exception as error:  # whatever stands against it, the weights are good without
        cause = error
        while cause.__cause__:
            cause = cause.__cause__  # type: ignore[assignment]
        raise ValueError(str(cause).strip().splitlines()[0]) from error
    assert program is not None
    return program.model_proto


def _without_tensors(made: Any, state: Mapping[str, Tensor]) -> tuple[bytes, list[str]]:
    """Return an ONNX model as bytes, without the tensors of a state, and the names of those.

    The exporter gives some of them names of its own, one for each use: these are known by what they hold.
    """
    from onnx import TensorProto

    held = {_content(value): name for name, value in state.items() if value.dtype == torch.float32}
    renamed: dict[str, str] = {}
    initializers = list(made.graph.initializer)
    made.graph.ClearField("initializer")
    kept: dict[str, Any] = {}
    for tensor in initializers:
        own = tensor.name.removeprefix(f"{MODEL}.")
        if own not in state:
            own = held.get((tuple(tensor.dims), tensor.raw_data), "")
        if not own:
            if len(tensor.raw_data) > LARGEST_OWN:
                raise ValueError(f"the graph would hold a second copy of tensors, {tensor.name}")
            made.graph.initializer.append(tensor)
            continue
        renamed[tensor.name] = own
        if own not in kept:
            kept[own] = TensorProto(name=own, data_type=tensor.data_type, dims=tensor.dims)
            kept[own].data_location = TensorProto.EXTERNAL
            kept[own].external_data.add(key="location", value="weights")
    made.graph.initializer.extend(kept.values())
    for node in made.graph.node:
        for place, value in enumerate(node.input):
            node.input[place] = renamed.get(value, value)
        node.ClearField("metadata_props")  # where in a source file it comes from
        node.ClearField("doc_string")
    made.graph.ClearField("value_info")
    made.graph.ClearField("metadata_props")
    return made.SerializeToString(), list(kept)


def _content(value: Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(value.shape), value.detach().cpu().contiguous().numpy().tobytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
