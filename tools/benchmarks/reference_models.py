"""The models in checkouts of the authors' repositories, made to run beside today's libraries.

Nothing of theirs is changed: what they import and is missing, or is of another version, has a stand-in here.
"""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from nic_nn.weights.random_weights import entry

TEXT = (1, 38, 512)
"""Shape of a caption's features, as TACO reads them."""
TACO_CONFIG = {"N": 192, "M": 320, "slice_num": 5, "slice_ch": [16, 16, 32, 64, 192], "quant": "ste"}
"""The published one; the file that holds it imports CLIP."""
CCA_SLICES = [n**1.7 for n in range(1, 6)]
CODECS = {
    "tbtc-conv-hyperprior": "ali-zafari/TBTC",
    "tbtc-conv-charm": "ali-zafari/TBTC",
    "tbtc-swint-hyperprior": "ali-zafari/TBTC",
    "tbtc-swint-charm": "ali-zafari/TBTC",
    "tcm": "jmliu206/LIC_TCM",
    "cca": "LabShuHangGU/CCA",
    "taco": "effl-lab/TACO",
}
"""By our name, the repository that its authors' model lies in (of TBTC, the public implementation)."""


def reference(codec: str, checkout: Path) -> Any:
    """Return the authors' model, with weights that `nic_nn.weights.random_weights.entry` makes, ready to code.

    ImportError, AttributeError or TypeError where the checkout is another one.
    """
    if codec.startswith("tbtc-"):
        keep_extensions()
    sys.path.insert(0, str(checkout))
    if codec.startswith("tbtc-"):
        zoo = importlib.import_module("compressai.zoo.image")
        name = codec.replace("tbtc", "zyc2022")
        sizes = zoo.cfgs[name]["M"]
        kind = zoo.model_architectures[name]
        model = kind(**sizes) if isinstance(sizes, dict) else kind(*sizes)
    elif codec == "tcm":
        model = importlib.import_module("models").TCM()
    elif codec == "cca":
        model = importlib.import_module("models").LICAutoencoder(prop_slices=CCA_SLICES)
    else:
        torch.cuda.synchronize = lambda device=None: None  # which it calls on processors too
        model = importlib.import_module("models").TACO(SimpleNamespace(**TACO_CONFIG), TEXT[-1])
    for name, parameter in model.named_parameters():
        parameter.data = torch.from_numpy(np.array(entry(name, tuple(parameter.shape)), np.float32))
    model.eval().update(force=True)
    return model


def keep_extensions() -> None:
    """Have a checkout that brings a compressai of its own use the compiled parts of the installed one."""
    compiled = {name: importlib.import_module(name) for name in ("compressai.ans", "compressai._CXX")}
    for name in [name for name in sys.modules if name.partition(".")[0] == "compressai"]:
        del sys.modules[name]
    sys.modules.update(compiled)


def text_features() -> torch.Tensor:
    """Return what stands for a caption."""
    return torch.from_numpy(np.array(entry("caption", TEXT), np.float32))
