"""Networks that others trained and that are used as they are: fetched by their libraries, or given as local copies."""

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from nic_core.errors import BadWeights, NicError, OutOfTime
from safetensors.torch import load_file
from torch import Tensor

from nic_nn.weights.checkpoints import read_state

ARCHIVES = {"40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af": "OpenAI's ViT-B-32.pt"}
"""TorchScript archives that may be opened, by SHA-256: what OpenAI publishes is one."""


@contextmanager
def obtaining(network: str, source: str, remedy: str) -> Iterator[None]:
    """Turn whatever goes wrong while a network is fetched or read into one line that says what to do.

    Libraries' own remarks on it are not shown.

    network: what it is called; source: the local copy, empty where it is downloaded; remedy: how it can be had.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OutOfTime:
        raise
    except Exception as error:  # libraries raise what they like when a download fails
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it lacks {reason}"
        where = f" from {source}" if source else ""
        raise NicError(f"cannot get {network}{where}: {reason[:200]}; {remedy}") from error
    finally:
        logging.disable(disabled)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, a PyTorch checkpoint or a TorchScript archive; raises anything.

    An archive is a program, so only those of `ARCHIVES` are opened, wherever the path comes from.
    """
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        return read_state(path)
    except BadWeights:
        if hashlib.sha256(path.read_bytes()).hexdigest() not in ARCHIVES:
            raise
        return dict(torch.jit.load(path, map_location="cpu").state_dict())
