"""The detectors of controlnet-aux, which is imported when one is loaded."""

import importlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import Any

import torch
from nic_core.errors import NicError
from PIL import Image

PACKAGE = "controlnet_aux"
REMEDY = "pip install 'nic-textsketch[annotators]'"


def detector_class(module: str, name: str) -> Any:
    """Import and return a detector's class; NicError where controlnet-aux is not installed.

    An empty stand-in takes the place of the package meanwhile: its own imports are of all its detectors, a quarter of
    a minute and a screen of warnings, most of them about packages that others need.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise NicError(f"annotators need a package: {REMEDY}")
    stand_in = PACKAGE not in sys.modules
    if stand_in:
        sys.modules[PACKAGE] = ModuleType(PACKAGE)
        sys.modules[PACKAGE].__path__ = list(found.submodule_search_locations)
    try:
        with quietly():
            return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
    except ImportError as error:
        raise NicError(f"annotators need a package ({error}): {REMEDY}") from error
    finally:
        if stand_in:
            del sys.modules[PACKAGE]


def detect(detector: Any, device: torch.device, call: Mapping[str, Any]) -> Callable[[Image.Image], Any]:
    """Return what calls a detector on a device. call: its arguments besides the photograph."""
    if hasattr(detector, "to"):  # those without a network have nothing to move
        detector = detector.to(device)

    def drawn(photograph: Image.Image) -> Any:
        with quietly():
            return detector(photograph, **call, output_type="pil")

    return drawn


@contextmanager
def quietly() -> Iterator[None]:
    """Keep detectors from warning, from printing, and one of them from taking our command line for its own."""
    arguments = sys.argv
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            sys.argv = arguments[:1]
            yield
    finally:
        sys.argv = arguments
