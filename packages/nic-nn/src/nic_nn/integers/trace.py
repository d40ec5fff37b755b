"""Modules without a form of their own, followed through their `forward` by torch.fx.

What is followed: layers that have a form, and the operations of `nic_nn.integers.operations` on what they return. Code
that asks about values, or does anything else with them, has no integer form.
"""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from nic_nn.integers.draft import Draft, array
from nic_nn.integers.forms import FORMS, form_of, listed
from nic_nn.integers.operations import OPERATIONS, Value
from nic_nn.nets.swin import NormedPatchSplitting, PatchSplitting, SwinBlock, ToPlanes, ToPositions

POSITIONS = (nn.Linear, nn.LayerNorm, SwinBlock, PatchSplitting, NormedPatchSplitting)
"""Listed layers on (N, H, W, C); all others are on (N, C, H, W), or do not care."""
ANY = (nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Sigmoid, nn.Tanh)


class Tracer(fx.Tracer):
    """Stops at layers that have a form."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one layer; sequences are followed, since the layout may change within."""
        if listed(m) is nn.Sequential and not hasattr(m, "integer_form"):
            return False
        return form_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def traced(build: Draft, module: nn.Module, inputs: tuple[int, ...], name: str) -> int:
    """Append what a module does with its inputs, joined if its `forward` takes one.

    ValueError names what has no form.
    """
    parameters = list(inspect.signature(module.forward).parameters.values())
    needed = [parameter for parameter in parameters if parameter.default is inspect.Parameter.empty]
    taken = parameters[: max(len(needed), 1)]
    if len(taken) == 1:
        arguments: Sequence[tuple[int, ...]] = [inputs]
    elif len(taken) == len(inputs):
        arguments = [(number,) for number in inputs]
    else:
        raise ValueError(f"its forward takes {len(taken)} values, not {len(inputs)}")
    others = {parameter.name: parameter.default for parameter in parameters[len(taken) :]}
    # With gradients, as in training: modules may compute in strips where there are none.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = Tracer().trace(module, concrete_args=others)
        except Exception as error:  # whatever somebody else's code makes of values that are none
            raise ValueError(f"what it does cannot be followed ({error}); it needs a method integer_form") from error
    return Follower(build, module, name).follow(graph, arguments)


class Follower:
    """Appends a graph's nodes."""

    def __init__(self, build: Draft, module: nn.Module, name: str) -> None:
        self.build, self.module, self.name = build, module, name
        self.results: dict[fx.Node, Any] = {}

    def follow(self, graph: fx.Graph, arguments: Sequence[tuple[int, ...]]) -> int:
        """Append what the output needs, and return its number."""
        waiting = iter(arguments)
        wanted = needed(graph)
        for node in graph.nodes:
            if node.op == "placeholder":
                if (numbers := next(waiting, None)) is not None:
                    self.results[node] = Value(numbers)
            elif node in wanted and node.op != "output":
                self.results[node] = self._result(node)
        (output,) = (node.args[0] for node in graph.nodes if node.op == "output")
        value = self.results.get(output) if isinstance(output, fx.Node) else None
        if not isinstance(value, Value):
            raise ValueError("it returns more than one tensor")
        return self.build.joined(value.numbers)

    def _result(self, node: fx.Node) -> Any:
        args = fx.node.map_arg(node.args, self.results.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.results.__getitem__)
        if node.op == "call_module":
            return self._layer(str(node.target), args)
        if node.op == "get_attr":
            return array(attribute(self.module, str(node.target)))
        called = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        if called not in OPERATIONS:
            raise ValueError(f"{self._place(node)} calls {called}")
        try:
            return OPERATIONS[called](self.build, *args, **kwargs)
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{self._place(node)} calls {called}: {error}") from error

    def _place(self, node: fx.Node) -> str:
        """Return the name of the module whose code a node comes from."""
        path = list(node.meta.get("nn_module_stack", {"": None}))[-1]
        return f"{self.name}.{path}" if path else self.name

    def _layer(self, path: str, args: Sequence[Any]) -> Value:
        layer, name = self.module.get_submodule(path), f"{self.name}.{path}"
        if not all(isinstance(value, Value) for value in args):
            raise ValueError(f"{name} is called with something else than tensors")
        layouts = {value.positions for value in args}
        kind = None if hasattr(layer, "integer_form") else listed(layer)
        if kind in FORMS and kind not in ANY and layouts != {kind in POSITIONS or kind is ToPlanes}:
            raise ValueError(f"{name} has its channels elsewhere than where it is called")
        number = self.build.emit(layer, tuple(number for value in args for number in value.numbers), name)
        positions = kind is ToPositions or (kind is not ToPlanes and layouts.pop())
        return Value((number,), positions)


def needed(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that the output depends on."""
    found: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in found:
            found.update(node.all_input_nodes)
    return found


def attribute(module: nn.Module, path: str) -> torch.Tensor:
    """Return a parameter or buffer by its path."""
    owner, _, last = path.rpartition(".")
    return getattr(module.get_submodule(owner), last)
