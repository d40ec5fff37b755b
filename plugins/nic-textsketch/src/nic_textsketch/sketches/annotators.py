"""Sketches of photographs, by the detectors of controlnet-aux, which is imported when one is loaded."""

import importlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from nic_core.errors import BadOption, BadWeights, NicError
from nic_core.pictures.picture import Picture
from nic_nn.codec import pick_device
from PIL import Image

from nic_textsketch.config import Source
from nic_textsketch.geometry import resized, rounded_size
from nic_textsketch.sources import folder

Draw = Callable[[Picture], Picture]
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples, modulo 1, fill the unit interval evenly, however many there are."""


@dataclass(frozen=True)
class Annotator:
    """A detector of controlnet-aux.

    module, detector: where it is, and its class.
    weights: the files it reads; none where it computes without. megabytes: their size.
    repository: of these files, on the Hugging Face hub.
    settings: what else the class needs to read them.
    resolutions: the arguments of its call that take the sketch's short side.
    """

    module: str
    detector: str
    weights: tuple[str, ...] = ()
    megabytes: int = 0
    repository: str = "lllyasviel/Annotators"
    settings: Mapping[str, str] = field(default_factory=dict)
    resolutions: tuple[str, ...] = ("detect_resolution", "image_resolution")

    @property
    def command(self) -> str:
        """What gets the files into a folder called annotators."""
        return f"hf download {self.repository} {' '.join(self.weights)} --local-dir annotators"


AS_GIVEN = ("detect_resolution",)
"""`Annotator.resolutions` of detectors whose sketches are of the photograph's own size."""

# Of controlnet-aux's detectors these are missing: mediapipe_face and dwpose, which need mediapipe, and mmcv, mmdet and
# mmpose; shuffle, whose picture is the photograph with its pixels moved about, by random numbers, and no sketch.
ANNOTATORS = {
    "hed": Annotator("hed", "HEDdetector", ("ControlNetHED.pth",), 29),
    "pidinet": Annotator("pidi", "PidiNetDetector", ("table5_pidinet.pth",), 3),
    "lineart": Annotator("lineart", "LineartDetector", ("sk_model.pth", "sk_model2.pth"), 34),
    "mlsd": Annotator("mlsd", "MLSDdetector", ("mlsd_large_512_fp32.pth",), 6),
    "canny": Annotator("canny", "CannyDetector"),
    "depth": Annotator("midas", "MidasDetector", ("dpt_hybrid-midas-501f0c75.pt",), 493),
    # MobileSAM, the smallest that the detector takes: the original network, ViT-H, is a download of 2.6 GB.
    "segmentation": Annotator(
        "segment_anything", "SamDetector", ("mobile_sam.pt",), 41, "dhkim2810/MobileSAM", {"model_type": "vit_t"}
    ),
    "teed": Annotator("teed", "TEEDdetector", ("5_model.pth",), 1, "fal-ai/teed", resolutions=AS_GIVEN),
    "anyline": Annotator(
        "anyline", "AnylineDetector", ("Anyline/MTEED.pth",), 1, "TheMistoAI/MistoLine", resolutions=AS_GIVEN
    ),
    "lineart_standard": Annotator("lineart_standard", "LineartStandardDetector", resolutions=AS_GIVEN),
    "lineart_anime": Annotator("lineart_anime", "LineartAnimeDetector", ("netG.pth",), 218),
    # The second file is for what its call does not ask for, and yet read.
    "depth_leres": Annotator("leres", "LeresDetector", ("res101.pth", "latest_net_G.pth"), 849),
    "depth_zoe": Annotator("zoe", "ZoeDetector", ("ZoeD_M12_N.pt",), 1443),
    "normal_bae": Annotator("normalbae", "NormalBaeDetector", ("scannet.pt",), 291),
    # Bodies only, as controlnet-aux's processor of this name draws; hands and faces are read all the same.
    "openpose": Annotator(
        "open_pose", "OpenposeDetector", ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"), 510
    ),
}


def load_annotator(name: str, size: int = 512, weights: Path | None = None, device: str = "auto") -> Draw:
    """Return a function that draws the gray sketch of a picture, which it first resizes.

    name: one of `ANNOTATORS`. size: of the sketch's short side; see `geometry.working_size`, though any shape will do.
    weights: a folder with the annotator's files, or its file; None to have them downloaded once and cached.
    device: "auto", "cpu", "cuda", "cuda:1" or "mps".

    BadOption for another name, NicError where controlnet-aux or the weights are missing, BadWeights where these are of
    something else.
    """
    if name not in ANNOTATORS:
        raise BadOption(f"there is no annotator {name!r}; there are {', '.join(ANNOTATORS)}")
    annotator = ANNOTATORS[name]
    if weights is not None and not annotator.weights:
        raise NicError(f"the annotator {name} has no weights: leave them out")
    kind, chosen = detector_class(annotator), pick_device(device)
    detector = _placed(_with_weights(kind, name, weights), chosen) if annotator.weights else kind()

    def draw(picture: Picture) -> Picture:
        pixels = picture.stripped().to_8_bit().pixels
        photograph = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        photograph = resized(photograph, rounded_size(*photograph.size, size))  # not all detectors' sketches have it
        with quietly():
            sketch = detector(photograph, **dict.fromkeys(annotator.resolutions, size), output_type="pil")
        return Picture.of(sketch).to_gray()

    return draw


def _with_weights(kind: Any, name: str, weights: Path | None) -> Any:
    """Return a detector with weights of its own or given ones; errors as `load_annotator` says."""
    annotator = ANNOTATORS[name]
    files = annotator.weights
    remedy = (
        f"get them ({annotator.megabytes} MB) by '{annotator.command}', then give --weights annotators "
        "(--annotator-weights in nic encode)"
    )
    if weights is None:
        try:
            source = folder(Source(annotator.repository, gigabytes=annotator.megabytes / 1000), None, files)
        except NicError as error:
            raise NicError(
                f"the weights of the annotator {name} are not here and cannot be downloaded: {remedy}"
            ) from error
        file = files[0]
    elif weights.is_dir():
        source, file = weights, files[0]
    else:
        source, file = weights.parent, weights.name
    if missing := [item for item in (file, *files[1:]) if not Path(source, item).is_file()]:
        raise NicError(f"{source} has no file {missing[0]} with weights of the annotator {name}: {remedy}")
    try:
        with quietly():
            return kind.from_pretrained(str(source), filename=file, **annotator.settings)
    except Exception as error:  # torch and pickle share no base
        raise BadWeights(f"{weights or source} holds no weights of the annotator {name}: {remedy}") from error


def _placed(detector: Any, device: torch.device) -> Any:
    """Return a detector on a device."""
    if hasattr(detector, "to"):
        return detector.to(device)
    # That of segment anything has no such method, computes with float64, which Apple's GPUs lack, and paints the
    # regions in random colours.
    detector.mask_generator.predictor.model.to("cpu" if device.type == "mps" else device)
    detector.show_anns = paint
    return detector


def paint(masks: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return regions as levels of gray, (H, W) uint8: the smaller over the larger, black where there is none.

    masks: of each region where it is ("segmentation", (H, W) bool) and its "area"; without any, one black pixel.

    The levels say what belongs together, not what it is: the ControlNets for segmentation know the classes of ADE20K by
    colours, which a gray sketch cannot carry. Regions of about the same size get levels that are far apart.
    """
    gray = np.zeros(masks[0]["segmentation"].shape if masks else (1, 1), np.uint8)
    for index, mask in enumerate(sorted(masks, key=lambda mask: mask["area"], reverse=True)):
        gray[mask["segmentation"]] = 64 + int(192 * (index * GOLDEN_RATIO % 1))
    return gray


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
        with quietly():
            return getattr(importlib.import_module(f"{package}.{annotator.module}"), annotator.detector)
    except ImportError as error:
        raise NicError(f"annotators need a package ({error}): pip install 'nic-textsketch[annotators]'") from error
    finally:
        if stand_in:
            del sys.modules[package]


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
