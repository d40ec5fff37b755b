"""The few parts of compressai that nic builds on, without the rest of it.

`import compressai` also imports its point-cloud data sets, torch_geometric and half of torch's compiler: seconds that
every command would wait for. Inside `light_compressai()` empty stand-ins take the place of the packages around the
parts; outside of it they are gone, so `import compressai` elsewhere gets all of it, with the same classes.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PACKAGES = ("compressai", "compressai.layers", "compressai.entropy_models")


@contextmanager
def light_compressai() -> Iterator[None]:
    """Let compressai's parts be imported, and its entropy models be made, without the packages' own imports."""
    found = importlib.util.find_spec("compressai") if "compressai" not in sys.modules else None
    if found is None or not found.submodule_search_locations:
        yield  # imported as a whole already, or not installed, which the import inside will say
        return
    root = Path(found.submodule_search_locations[0])
    for name in PACKAGES:
        stand_in = ModuleType(name)
        stand_in.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = stand_in
    # Every entropy model asks for the coder to use, though nic brings its own.
    vars(sys.modules["compressai"]).update(get_entropy_coder=lambda: "ans", available_entropy_coders=lambda: ["ans"])
    try:
        yield
    finally:
        for name in PACKAGES:
            del sys.modules[name]


with light_compressai():
    _ans = importlib.import_module("compressai.ans")
    _entropy_models = importlib.import_module("compressai.entropy_models.entropy_models")
    _gdn = importlib.import_module("compressai.layers.gdn")
    _layers = importlib.import_module("compressai.layers.layers")
    _ops = importlib.import_module("compressai.ops")

BufferedRansEncoder = _ans.BufferedRansEncoder
RansDecoder = _ans.RansDecoder
EntropyBottleneck = _entropy_models.EntropyBottleneck
GaussianConditional = _entropy_models.GaussianConditional
GDN = _gdn.GDN
AttentionBlock = _layers.AttentionBlock
ResidualBlock = _layers.ResidualBlock
ResidualBlockUpsample = _layers.ResidualBlockUpsample
ResidualBlockWithStride = _layers.ResidualBlockWithStride
LowerBound = _ops.LowerBound
