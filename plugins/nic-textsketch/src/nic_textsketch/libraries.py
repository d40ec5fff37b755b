"""How libraries of others behave while they work for us: the same way every time, and in silence."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Have torch choose algorithms that give the same result each time, and restore what was set."""
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    before_cudnn = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before_cudnn


@contextmanager
def quiet(*libraries: str) -> Iterator[None]:
    """Keep the remarks and progress bars of diffusers, transformers or both from the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = [importlib.import_module(f"{library}.utils.logging") for library in libraries]
        before = [(module.get_verbosity(), module.is_progress_bar_enabled()) for module in modules]
        for module in modules:
            module.set_verbosity(logging.CRITICAL)
            module.disable_progress_bar()
        try:
            yield
        finally:
            for module, (verbosity, bars) in zip(modules, before, strict=True):
                module.set_verbosity(verbosity)
                if bars:
                    module.enable_progress_bar()
