"""The few parts of compressai that nic builds on, without the rest of it.

`import compressai` also imports its point-cloud data sets, torch_geometric and half of torch's compiler: seconds that
every command would wait for. The parts are imported here once and without the packages around them, which are left to
whoever imports them, before, after or in another thread; they find the parts in place, so the classes are the same.
"""

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from threading import get_ident
from types import ModuleType

import torch
from torch import nn

WHOLE = "compressai"
PARTS = (  # each after those that it imports
    "compressai._CXX",
    "compressai.ans",
    "compressai.ops.bound_ops",
    "compressai.ops.ops",
    "compressai.ops.parametrizers",
    "compressai.ops",
    "compressai.entropy_models.entropy_models",
    "compressai.layers.gdn",
    "compressai.layers.layers",
)
PACKAGES = {name.rpartition(".")[0] for name in PARTS}


class PartsLoaded(Exception):
    """Ends the import that only served to load the parts."""


class PartsLoader(Loader):
    """Loads the parts instead of the package that holds them.

    `create_module` runs under the import system's own lock on the package's name and before the name is taken: other
    threads that import compressai wait, and then import it as if nothing had been.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Load the parts; always raises, so that no package comes of it."""
        for name in PARTS:
            if name in sys.modules:
                continue
            found = PathFinder.find_spec(name, [str(self.root.joinpath(*name.split(".")[1:-1]))])
            if found is None or found.loader is None:
                raise ModuleNotFoundError(f"there is no {name} in {self.root}", name=name)
            module = module_from_spec(found)
            set_parts(module)
            found.loader.exec_module(module)
            sys.modules.setdefault(name, module)  # only now that it is whole: other threads may take it at once
        raise PartsLoaded

    def exec_module(self, module: ModuleType) -> None:
        """Never called."""


class WithParts(SourceFileLoader):
    """Loads one of compressai's packages as ever, with the parts that are there already as its attributes."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the package's code."""
        set_parts(module)
        super().exec_module(module)


def set_parts(package: ModuleType) -> None:
    """Set what importing the parts from within a package would have set in it."""
    for name in PARTS:
        parent, _, attribute = name.rpartition(".")
        if parent == package.__name__ and name in sys.modules:
            setattr(package, attribute, sys.modules[name])


class PartsFinder(MetaPathFinder):
    """Finds compressai's packages: once for the thread that wants the parts alone, and then for all others."""

    def __init__(self, thread: int) -> None:
        self.thread = thread

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        found = PathFinder.find_spec(fullname, path) if fullname in PACKAGES else None
        if found is None or not isinstance(found.loader, SourceFileLoader):
            return None
        if fullname == WHOLE and self.thread == get_ident():
            self.thread = 0
            found.loader = PartsLoader(Path(found.loader.path).parent)
        else:
            found.loader = WithParts(found.loader.name, found.loader.path)
        return found


def load_parts() -> None:
    """Import the parts; waits where another thread is importing the whole."""
    finder = PartsFinder(get_ident())
    sys.meta_path.insert(0, finder)  # for good: if it went away, searches in other threads would skip its neighbour
    with suppress(PartsLoaded):
        importlib.import_module(WHOLE)
    finder.thread = 0


load_parts()
_ans = importlib.import_module("compressai.ans")
_entropy_models = importlib.import_module("compressai.entropy_models.entropy_models")
_gdn = importlib.import_module("compressai.layers.gdn")
_layers = importlib.import_module("compressai.layers.layers")
_ops = importlib.import_module("compressai.ops")

BufferedRansEncoder = _ans.BufferedRansEncoder
RansDecoder = _ans.RansDecoder
GDN = _gdn.GDN
AttentionBlock = _layers.AttentionBlock
ResidualBlock = _layers.ResidualBlock
ResidualBlockUpsample = _layers.ResidualBlockUpsample
ResidualBlockWithStride = _layers.ResidualBlockWithStride
LowerBound = _ops.LowerBound


class Coderless(_entropy_models.EntropyModel):  # type: ignore[misc,name-defined]
    """What compressai's entropy models have in common, without the coder that each of them asks the whole for."""

    def __init__(self, likelihood_bound: float = 1e-9) -> None:
        nn.Module.__init__(self)
        self.entropy_coder_precision = 16
        self.use_likelihood_bound = likelihood_bound > 0
        if self.use_likelihood_bound:
            self.likelihood_lower_bound = LowerBound(likelihood_bound)
        for name in ("_offset", "_quantized_cdf", "_cdf_length"):
            self.register_buffer(name, torch.IntTensor())

    __getstate__ = nn.Module.__getstate__
    __setstate__ = nn.Module.__setstate__


class EntropyBottleneck(_entropy_models.EntropyBottleneck, Coderless):  # type: ignore[misc,name-defined]
    """compressai's, to be made and copied without the whole."""


class GaussianConditional(_entropy_models.GaussianConditional, Coderless):  # type: ignore[misc,name-defined]
    """compressai's, to be made and copied without the whole."""
