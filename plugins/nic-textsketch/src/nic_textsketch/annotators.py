"""Sketches of photographs, by the detectors of controlnet-aux, which is imported when one is loaded."""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from nic_core.errors import BadWeights, NicError
from nic_core.picture import Picture
from nic_nn.codec import pick_device
from nic_nn.memory import keep_freed_memory
from PIL import Image

UNIT = 64
"""What both sides of a sketch are multiples of."""

Draw = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Annotator:
    """A detector of controlnet-aux.

    module, detector: where it is, and its class.
    weights: the files it reads, of the Hugging Face repository `REPOSITORY`; none where it computes without.
    """

    module: str
    detector: str
    weights: tuple[str, ...] = ()


REPOSITORY = "lllyasviel/Annotators"

ANNOTATORS = {
    "hed": Annotator("hed", "HEDdetector", ("ControlNetHED.pth",)),
    "pidinet": Annotator("pidi", "PidiNetDetector", ("table5_pidinet.pth",)),
    "lineart": Annotator("lineart", "LineartDetector", ("sk_model.pth", "sk_model2.pth")),
    "mlsd": Annotator("mlsd", "MLSDdetector", ("mlsd_large_512_fp32.pth",)),
    "canny": Annotator("canny", "CannyDetector"),
}


def load_annotator(name: str, size: int = 512, weights: Path | None = None, device: str = "auto") -> Draw:
    """Return a function that draws the gray sketch of a picture, which it first resizes.

    name: one of `ANNOTATORS`. size: of the sketch's short side; both sides are rounded to multiples of 64.
    weights: a folder with the annotator's files, or its file; None to have them downloaded once and cached.
    device: "auto", "cpu", "cuda", "cuda:1" or "mps".

    NicError where controlnet-aux or the weights are missing, BadWeights where these are of something else.
    """
    annotator = ANNOTATORS[name]
    if weights is not None and not annotator.weights:
        raise NicError(f"the annotator {name} has no weights: leave them out")
    kind, chosen = detector_class(annotator), pick_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    detector = _with_weights(kind, name, weights).to(chosen) if annotator.weights else kind()

    def draw(picture: Picture) -> Picture:
        pixels = picture.stripped().to_8_bit().pixels
        photograph = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        sketch = detector(photograph, detect_resolution=size, image_resolution=size, output_type="pil")
        return Picture.of(sketch).to_gray()

    return draw


def _with_weights(kind: Any, name: str, weights: Path | None) -> Any:
    """Return a detector with weights of its own or given ones; errors as `load_annotator` says."""
    files = ANNOTATORS[name].weights
    wanted = f"{' and '.join(files)} of huggingface.co/{REPOSITORY}"
    if weights is None:
        source, file = REPOSITORY, files[0]
    elif weights.is_dir():
        source, file = str(weights), files[0]
    else:
        source, file = str(weights.parent), weights.name
    needed = (file, *files[1:])
    if weights is not None and (missing := [item for item in needed if not Path(source, item).is_file()]):
        raise NicError(f"{source} has no file {missing[0]}: the annotator {name} needs {wanted}")
    try:
        return kind.from_pretrained(source, filename=file)
    except Exception as error:  # huggingface_hub, torch and pickle share no base
        if weights is None:
            raise NicError(
                f"the weights of the annotator {name} cannot be had ({type(error).__name__}): "
                f"get {wanted} yourself and name them with --weights"
            ) from error
        raise BadWeights(f"{weights} holds no weights of the annotator {name}, which needs {wanted}") from error


def detector_class(annotator: Annotator) -> Any:
    """Import and return a detector's class; NicError where controlnet-aux is not installed.

    An empty stand-in takes the place of the package meanwhile: its own imports are of all its detectors, a quarter of
    a minute and a screen of warnings, most of them about packages that others need.
    """
    package = "controlnet_aux"
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NicError("annotators need a package: pip install 'nic-textsketch[annotators]'")
    stand_in = package not in sys.modules
    if stand_in:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = list(found.submodule_search_locations)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(f"{package}.{annotator.module}"), annotator.detector)
    finally:
        if stand_in:
            del sys.modules[package]
