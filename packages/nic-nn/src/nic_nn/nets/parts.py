"""A few modules of a large package, without the rest of it.

`import compressai` also imports its point-cloud data sets, torch_geometric and half of torch's compiler, `import timm`
all of its models and torchvision: seconds that every command would wait for. The parts are imported here once and
without the packages around them, which are left to whoever imports them, before, after or in another thread; they find
the parts in place, so the classes are the same.
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


class PartsLoaded(Exception):
    """Ends the import that only served to load the parts."""


class PartsLoader(Loader):
    """Loads parts instead of the package that holds them.

    `create_module` runs under the import system's own lock on the package's name and before the name is taken: other
    threads that import the package wait, and then import it as if nothing had been.

    root: the package's folder. names: of the parts, each after those that it imports.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root, self.names = root, names

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Load the parts; always raises, so that no package comes of it."""
        for name in self.names:
            if name in sys.modules:
                continue
            found = PathFinder.find_spec(name, [str(self.root.joinpath(*name.split(".")[1:-1]))])
            if found is None or found.loader is None:
                raise ModuleNotFoundError(f"there is no {name} in {self.root}", name=name)
            module = module_from_spec(found)
            set_parts(module, self.names)
            found.loader.exec_module(module)
            sys.modules.setdefault(name, module)  # only now that it is whole: other threads may take it at once
        raise PartsLoaded

    def exec_module(self, module: ModuleType) -> None:
        """Never called."""


class WithParts(SourceFileLoader):
    """Loads a package as ever, with the parts that are there already as its attributes."""

    names: Sequence[str] = ()

    def exec_module(self, module: ModuleType) -> None:
        """Run the package's code."""
        set_parts(module, self.names)
        super().exec_module(module)


def set_parts(package: ModuleType, names: Sequence[str]) -> None:
    """Set what importing parts from within a package would have set in it."""
    for name in names:
        parent, _, attribute = name.rpartition(".")
        if parent == package.__name__ and name in sys.modules:
            setattr(package, attribute, sys.modules[name])


class PartsFinder(MetaPathFinder):
    """Finds one package and those in it: once for the thread that wants the parts alone, and then for all others."""

    def __init__(self, whole: str, names: Sequence[str], thread: int) -> None:
        self.whole, self.names, self.thread = whole, names, thread
        self.packages = {name.rpartition(".")[0] for name in names}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        found = PathFinder.find_spec(fullname, path) if fullname in {self.whole, *self.packages} else None
        if found is None or not isinstance(found.loader, SourceFileLoader):
            return None
        if fullname == self.whole and self.thread == get_ident():
            self.thread = 0
            found.loader = PartsLoader(Path(found.loader.path).parent, self.names)
        else:
            loader = WithParts(found.loader.name, found.loader.path)
            loader.names = self.names
            found.loader = loader
        return found


def load_parts(whole: str, names: Sequence[str]) -> dict[str, ModuleType]:
    """Return modules of a package by name; waits where another thread is importing the whole.

    names: each after those that it imports. Once for each package: a second list would not know the first.
    """
    finder = PartsFinder(whole, names, get_ident())
    sys.meta_path.insert(0, finder)  # for good: if it went away, searches in other threads would skip its neighbour
    with suppress(PartsLoaded):
        importlib.import_module(whole)
    finder.thread = 0
    return {name: importlib.import_module(name) for name in names}
