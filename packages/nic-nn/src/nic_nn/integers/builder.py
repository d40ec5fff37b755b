"""Makes one integer net out of a torch module while it runs it on calibration values."""

from dataclasses import dataclass

from nic_core.errors import BadWeights
from torch import nn

from nic_nn.integers.draft import Draft
from nic_nn.integers.forms import form_of
from nic_nn.integers.trace import traced


@dataclass
class Builder(Draft):
    """Makes one net.

    A module becomes layers in one of three ways. It may say so itself, by a method

        def integer_form(self, build: Draft, inputs: tuple[int, ...], name: str) -> int

    which appends layers by the methods of `build` and returns the number of the value that is its output; inputs are
    the numbers of the values that the module is called with, joined along their channels, and name is for errors.
    Torch's own layers and those of nic-nn have a form in `nic_nn.integers.forms`. All others are followed: what their
    `forward` does with layers that have a form, and with the operations of `nic_nn.integers.operations`, is appended.
    """

    def emit(self, module: nn.Module, inputs: tuple[int, ...], name: str) -> int:
        """Append what computes a module, called with these values; BadWeights names a layer without integer form."""
        form = form_of(module)
        try:
            return traced(self, module, inputs, name) if form is None else form(self, inputs, name)
        except ValueError as error:
            raise BadWeights(f"{name} has no integer form: {error}") from error
