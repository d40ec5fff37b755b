"""Sketches of photographs: who draws them, by a detector of controlnet-aux or a model of transformers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nic_core.errors import BadOption, BadWeights, NicError
from nic_core.pictures.picture import Picture
from nic_nn.codec import pick_device
from PIL import Image

from nic_textsketch.config import GeneratorConfig, Source
from nic_textsketch.geometry import resized, rounded_size
from nic_textsketch.sketches import segmentation
from nic_textsketch.sketches.detectors import detect, detector_class, quietly
from nic_textsketch.sources import folder, missing

Draw = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Settings:
    """What annotators can be told; None for what they do by themselves.

    canny_low, canny_high: gradients from which Canny's edges go on, and begin. mlsd_score: the least score of MLSD's
    lines, 0 to 1; mlsd_distance: their least length, in the 256ths of a side that it computes with.
    hands: whether OpenPose draws hands beside bodies.
    """

    canny_low: int | None = None
    canny_high: int | None = None
    mlsd_score: float | None = None
    mlsd_distance: float | None = None
    hands: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return what is told, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def as_drawn(result: Any) -> Image.Image:
    """Return the sketch that a detector gave, as it is."""
    return result


def midas_normals(result: Any) -> Image.Image:
    """Return MiDaS's normals, which come behind its depth and with red and blue exchanged.

    As in the authors' code they are red to the left, green up and blue to the viewer, and so like NormalBae's.
    """
    return Image.fromarray(np.ascontiguousarray(np.asarray(result[1])[..., ::-1]))


@dataclass(frozen=True)
class Annotator:
    """A detector of controlnet-aux, or a segmentation model of transformers.

    module, detector: where it is, and its class; empty for a segmentation model.
    weights: the files it reads; none where it computes without. megabytes: their size.
    repository: of these files, on the Hugging Face hub.
    settings: what else the class needs to read them. call: what else its call is given.
    resolutions: the arguments of its call that take the sketch's short side.
    heeds: what it can be told, fields of `Settings`, and what its call names them.
    read: makes the sketch of what it returns. colour: whether its colours say something; others' are made gray.
    follows: whose ControlNet fits its sketches, where a generator's config names none for itself.
    """

    module: str = ""
    detector: str = ""
    weights: tuple[str, ...] = ()
    megabytes: int = 0
    repository: str = "lllyasviel/Annotators"
    settings: Mapping[str, str] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    resolutions: tuple[str, ...] = ("detect_resolution", "image_resolution")
    heeds: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[Any], Image.Image] = as_drawn
    colour: bool = False
    follows: str = ""

    @property
    def command(self) -> str:
        """What gets the files into a folder called annotators."""
        names = self.weights if self.module else ()  # of those of a model there is a choice: all are got
        return " ".join(["hf", "download", self.repository, *names, "--local-dir", "annotators"])


AS_GIVEN = ("detect_resolution",)
"""`Annotator.resolutions` of detectors whose sketches are of the photograph's own size."""

MIDAS: dict[str, Any] = {"module": "midas", "detector": "MidasDetector", "weights": ("dpt_hybrid-midas-501f0c75.pt",)}

# Of controlnet-aux's detectors these are missing: mediapipe_face and dwpose, which need mediapipe, and mmcv, mmdet and
# mmpose; shuffle, whose picture is the photograph with its pixels moved about, by random numbers, and no sketch; and
# segment anything, whose regions have no classes, and so no colours that a ControlNet would know.
ANNOTATORS = {
    "hed": Annotator("hed", "HEDdetector", ("ControlNetHED.pth",), 29),
    "pidinet": Annotator("pidi", "PidiNetDetector", ("table5_pidinet.pth",), 3),
    "lineart": Annotator("lineart", "LineartDetector", ("sk_model.pth", "sk_model2.pth"), 34),
    "mlsd": Annotator(
        *("mlsd", "MLSDdetector", ("mlsd_large_512_fp32.pth",), 6),
        heeds={"mlsd_score": "thr_v", "mlsd_distance": "thr_d"},
    ),
    "canny": Annotator("canny", "CannyDetector", heeds={"canny_low": "low_threshold", "canny_high": "high_threshold"}),
    "depth": Annotator(**MIDAS, megabytes=493),
    "segmentation": Annotator(
        weights=segmentation.FILES, megabytes=330, repository="openmmlab/upernet-convnext-small", colour=True
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
    "normal_bae": Annotator("normalbae", "NormalBaeDetector", ("scannet.pt",), 291, colour=True),
    "normal_midas": Annotator(
        **MIDAS,
        megabytes=493,
        call={"depth_and_normal": True},
        read=midas_normals,
        colour=True,
        follows="normal_bae",
    ),
    # Bodies, and hands where they are wanted; faces are read all the same.
    "openpose": Annotator(
        *("open_pose", "OpenposeDetector", ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"), 510),
        heeds={"hands": "include_hand"},
        colour=True,
    ),
}


def annotator_of(name: str) -> Annotator:
    """Return an annotator by name; BadOption for none."""
    if name not in ANNOTATORS:
        raise BadOption(f"there is no annotator {name!r}; there are {', '.join(ANNOTATORS)}")
    return ANNOTATORS[name]


def controlnet_for(name: str, config: GeneratorConfig) -> str:
    """Return which ControlNet of a generator follows an annotator's sketches, by its name in the config.

    What the config does not know comes back as it is: the generator says which it has.
    """
    known = name in config.controlnets or name not in ANNOTATORS
    return name if known else ANNOTATORS[name].follows or name


def load_annotator(
    name: str,
    size: int = 512,
    weights: Path | None = None,
    device: str = "auto",
    settings: Settings = Settings(),
    models: Path | None = None,
) -> Draw:
    """Return a function that draws the sketch of a picture, which it first resizes; gray but for those of `colour`.

    name: one of `ANNOTATORS`. size: of the sketch's short side; see `geometry.working_size`, though any shape will do.
    weights: a folder with the annotator's files, or its file; None to have them downloaded once and cached.
    device: "auto", "cpu", "cuda", "cuda:1" or "mps". models: the folder of local models, see `sources.folder`.

    BadOption for another name and for settings of another annotator, NicError where controlnet-aux or the weights are
    missing, BadWeights where these are of something else.
    """
    annotator = annotator_of(name)
    told = settings.given()
    if foreign := [setting for setting in told if setting not in annotator.heeds]:
        heeding = [other for other, record in ANNOTATORS.items() if foreign[0] in record.heeds]
        raise BadOption(f"--{foreign[0].replace('_', '-')} is for the annotator {heeding[0]}, not for {name}")
    if weights is not None and not annotator.weights:
        raise NicError(f"the annotator {name} has no weights: leave them out")
    chosen = pick_device(device)
    if annotator.module:
        kind = detector_class(annotator.module, annotator.detector)
        detector = _with_weights(kind, name, weights, models) if annotator.weights else kind()
        sizes = dict.fromkeys(annotator.resolutions, size)
        named = {annotator.heeds[setting]: value for setting, value in told.items()}
        drawn = detect(detector, chosen, {**annotator.call, **sizes, **named})
    else:
        drawn = _segmenter(name, weights, models, chosen)

    def draw(picture: Picture) -> Picture:
        pixels = picture.stripped().to_8_bit().pixels
        photograph = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
        photograph = resized(photograph, rounded_size(*photograph.size, size))  # not all detectors' sketches have it
        sketch = Picture.of(annotator.read(drawn(photograph)))
        return sketch if annotator.colour else sketch.to_gray()

    return draw


def _with_weights(kind: Any, name: str, weights: Path | None, models: Path | None) -> Any:
    """Return a detector with weights of its own or given ones; errors as `load_annotator` says."""
    files, remedy = ANNOTATORS[name].weights, _remedy(name)
    if weights is None:
        source, file = _place(name, models), files[0]
    elif weights.is_dir():
        source, file = weights, files[0]
    else:
        source, file = weights.parent, weights.name
    if absent := [item for item in (file, *files[1:]) if not Path(source, item).is_file()]:
        raise NicError(f"{source} has no file {absent[0]} with weights of the annotator {name}: {remedy}")
    try:
        with quietly():
            return kind.from_pretrained(str(source), filename=file, **ANNOTATORS[name].settings)
    except Exception as error:  # torch and pickle share no base
        raise BadWeights(f"{weights or source} holds no weights of the annotator {name}: {remedy}") from error


def _segmenter(name: str, weights: Path | None, models: Path | None, device: torch.device) -> segmentation.Segment:
    """Return what draws segmentation maps; errors as `load_annotator` says."""
    place = weights or _place(name, models)
    if absent := missing(place, segmentation.FILES):
        lacks = absent[0].replace("|", " or ")
        raise NicError(f"{place} is no folder of the annotator {name}, it has no {lacks}: {_remedy(name)}")
    try:
        return segmentation.load_segmenter(place, device)
    except NicError:
        raise
    except Exception as error:  # transformers raises what it likes
        raise BadWeights(f"{place} holds no weights of the annotator {name}: {_remedy(name)}") from error


def _place(name: str, models: Path | None) -> Path:
    """Return the folder of an annotator's files, downloaded if need be; NicError where they cannot be had says how."""
    annotator = ANNOTATORS[name]
    source = Source(annotator.repository, gigabytes=annotator.megabytes / 1000)
    try:
        return folder(source, models, annotator.weights)
    except NicError as error:
        raise NicError(
            f"the weights of the annotator {name} are not here and cannot be downloaded: {_remedy(name)}"
        ) from error


def _remedy(name: str) -> str:
    annotator = ANNOTATORS[name]
    return (
        f"get them ({annotator.megabytes} MB) by '{annotator.command}', then give --weights annotators "
        "(--annotator-weights in nic encode)"
    )
