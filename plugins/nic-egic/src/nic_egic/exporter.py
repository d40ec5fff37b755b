"""Writes TensorFlow checkpoints that the authors' code (Nikolai10/EGIC) restores."""

from pathlib import Path

import numpy as np
from torch import Tensor

from nic_egic.bundle import write_variables
from nic_egic.importer import import_checkpoint


def as_theirs(name: str, tensor: Tensor) -> np.ndarray:
    """Return a parameter in TensorFlow's layout, the inverse of `nic_egic.importer.as_ours`. name: the authors'."""
    if "kernel" not in name or tensor.ndim not in (2, 4):
        return tensor.numpy()
    if tensor.ndim == 2:
        return tensor.T.numpy()
    kernel = tensor.permute(2, 3, 1, 0)
    return (kernel.flip(0, 1) if name.endswith("_kernel_parameter") else kernel).numpy()


def export_checkpoint(codec: str, source: Path, output: Path) -> None:
    """Write a weights file as a checkpoint "ckpt" in the folder `output`: what tf.train.Checkpoint(model=...) restores.

    See `nic_nn.weights.checkpoints.Importer.save` for what it raises, and `write_variables`.
    """
    entries = import_checkpoint.entries(import_checkpoint.opened(codec, source))
    write_variables(output, {f"model/{name}": as_theirs(name, value) for name, value in entries.items()})
