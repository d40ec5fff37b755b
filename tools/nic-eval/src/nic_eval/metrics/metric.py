"""What a metric is, and how one that cannot be had says so."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nic_core.errors import NicError

from nic_eval.files import file_hash

Load = Callable[[], np.ndarray]
"""Returns a picture, uint8 (H, W, 3)."""

Measure = Callable[[np.ndarray, np.ndarray], float | None]
"""Original and decoded picture, uint8 (H, W, 3) -> value; None where a picture is too small."""

Features = Callable[[Any], Any]
"""Turns pictures, a tensor uint8 (N, 3, H, W), into features (N, D)."""

Kind = Literal["frechet", "kernel"]
"""The Frechet distance, FID where features are Inception's, and the kernel distance, KID."""

FEW = 2048
"""Pictures up to which the covariances of as many features are singular, and FID depends on their number most."""

KID_SUBSET_SIZE = 1000
"""Pictures, or patches, in each of KID's subsets where nothing else is asked for."""


class MetricUnavailable(NicError):
    """A metric's library is not installed, or its network cannot be had."""


@dataclass(frozen=True)
class Distance:
    """How far features of all decoded pictures lie from those of their originals.

    of: what one feature is taken of. network: whose features they
    are. load: returns it; raises anything where it cannot.
    """

    kind: Kind
    of: Literal["patches", "pictures"]
    network: str
    load: Callable[[], Features]


@dataclass(frozen=True)
class Metric:
    """A metric by name; either `load` or `distance` says how it is computed.

    label: what plots call it. package: the distribution it comes from, empty for our own. higher_is_better: its
    direction. load: returns the measure of one picture; raises anything where it cannot. distance: where it is one
    number for all pictures. smallest: pixels that each side of a picture needs. subset: pictures, or patches, in each
    of KID's subsets. weights: file of the network's weights, where it is not the package that brings them.
    """

    name: str
    label: str
    package: str
    higher_is_better: bool
    load: Callable[[], Measure] | None = None
    distance: Distance | None = None
    smallest: int = 1
    subset: int = KID_SUBSET_SIZE
    weights: Path | None = None

    @property
    def of_set(self) -> bool:
        """Whether it is one number for all pictures."""
        return self.distance is not None

    @property
    def of_subsets(self) -> bool:
        """Whether it is a mean over subsets of the pictures."""
        return self.distance is not None and self.distance.kind == "kernel"

    @cached_property
    def made_by(self) -> str:
        """The version of the library, and the hash of the weights: others may compute other values."""
        return " ".join(filter(None, [installed(self.package), file_hash(self.weights) if self.weights else ""]))

    @cached_property
    def key(self) -> str:
        """What values are kept under."""
        subset = f"of {self.subset}" if self.of_subsets and self.subset != KID_SUBSET_SIZE else ""
        return " ".join(filter(None, [self.name, self.made_by, subset])) if self.package else self.name


def installed(package: str) -> str:
    """Return the version of a distribution, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@contextlib.contextmanager
def explained(metric: Metric) -> Iterator[None]:
    """Turn whatever goes wrong while a metric is loaded into one line that says what is missing."""
    try:
        yield
    except NicError as error:
        raise MetricUnavailable(f"{metric.name} is not measured: {error}") from error
    except ImportError as error:
        raise MetricUnavailable(
            f"{metric.name} is not measured: it needs {error.name or metric.package} (pip install {metric.package})"
        ) from error
    except Exception as error:  # libraries raise what they like when a download fails
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MetricUnavailable(
            f"{metric.name} is not measured: the network of {metric.package} cannot be had ({reason[:200]})"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from reporting their loading on the terminal; errors are still raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@cache
def auto_device() -> Any:
    """Return the device that networks run on if none is asked for."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
