"""The size of a sketch model, and which models generate pictures."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nic_core.errors import BadWeights
from nic_core.weights import WeightsInfo, is_plain
from nic_latent.tiles.geometry import Reach

REACH = Reach(192, local=True)
"""A pixel of a sketch depends on latents up to 164 pixels away."""


@dataclass(frozen=True)
class SketchConfig:
    """width: channels of the transforms, of y and of z; 192 in the paper. ValueError where it is odd or below 2."""

    width: int = 192

    def __post_init__(self) -> None:
        """Check the width."""
        if self.width < 2 or self.width % 2:
            raise ValueError(f"the width must be an even number above 0, not {self.width}")


@dataclass(frozen=True)
class Source:
    """A model on the Hugging Face hub, or a local folder laid out like one.

    name: "owner/name", or a name of your own below the folder of local models.
    revision: branch, tag or commit. variant: of the weights' files, "fp16" for instance; empty for the plain ones.
    gigabytes: about the size of the download, for messages; 0 if unknown.
    """

    name: str
    revision: str = "main"
    variant: str = ""
    gigabytes: float = 0

    def __post_init__(self) -> None:
        """Check the types."""
        _check(self, name=str, revision=str, variant=str, gigabytes=(int, float))

    @property
    def identity(self) -> tuple[str, str, str]:
        """What distinguishes the model from others."""
        return self.name, self.revision, self.variant


@dataclass(frozen=True)
class GeneratorConfig:
    """Which models generate pictures, and how; the paper's values by default.

    base: a Stable Diffusion in diffusers' layout. controlnets: for each annotator the ControlNet that fits its
    sketches; empty where pictures are made of the prompt alone.
    scheduler: a class of diffusers. steps, guidance: of the generation.
    suffix: what is added to every prompt. negative: the negative prompt.
    size: the short side, in pixels, of what is generated; a multiple of 64.

    ValueError for a value of another type or out of range.
    """

    base: Source
    controlnets: Mapping[str, Source] = field(default_factory=dict)
    scheduler: str = "DPMSolverMultistepScheduler"
    steps: int = 25
    guidance: float = 9.0
    suffix: str = ", high quality"
    negative: str = "disfigured, deformed, low quality, lowres, b&w, blurry, Photoshop, video game, bad art"
    size: int = 512

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self, scheduler=str, steps=int, guidance=(int, float), suffix=str, negative=str, size=int)
        if not math.isfinite(self.guidance) or abs(self.guidance) > 1000:
            raise ValueError(f"guidance must be a number up to 1000, not {self.guidance}")
        if not 64 <= self.size <= 4096 or self.size % 64:
            raise ValueError(f"size must be a multiple of 64 up to 4096, not {self.size}")
        if not 1 <= self.steps <= 1000:
            raise ValueError(f"steps must be from 1 to 1000, not {self.steps}")

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "GeneratorConfig":
        """Return the config in a JSON object; a source may be only a name. TypeError or ValueError for another form."""
        controlnets = values.get("controlnets", {})
        if not isinstance(controlnets, dict):
            raise ValueError(f"controlnets must be an object, annotator by annotator, not {controlnets!r}")
        sources = {name: source(value) for name, value in controlnets.items()}
        return cls(**{**values, "base": source(values["base"]), "controlnets": sources})

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits over all that decides pictures: the SHA-256's first four bytes."""
        identities = {name: source.identity for name, source in sorted(self.controlnets.items())}
        decisive = {
            **self.to_json(),
            "guidance": float(self.guidance),  # 9 and 9.0 are told apart in JSON
            "base": self.base.identity,
            "controlnets": identities,
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]


def fingerprints(info: WeightsInfo) -> tuple[str, str]:
    """Return both fingerprints of a generator's weights file, which holds no tensors; BadWeights for no config."""
    found = config_of(info).fingerprint
    return found, found


def config_of(info: WeightsInfo) -> GeneratorConfig:
    """Return the config in the record of a generator's weights file; BadWeights where it is none."""
    try:
        return GeneratorConfig.from_json(info.config)
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"the weights {info.name} hold no config of a generator: {error}") from error


def source(value: str | dict[str, Any]) -> Source:
    """Return a source of JSON: a name, or an object with the fields of `Source`. TypeError or ValueError."""
    if not isinstance(value, str | dict):
        raise ValueError(f"a model must be a name or an object, not {value!r}")
    return Source(value) if isinstance(value, str) else Source(**value)


def _check(record: Any, **types: Any) -> None:
    for name, kind in types.items():
        value = getattr(record, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            expected = {str: "a text", int: "a whole number"}.get(kind, "a number")
            raise ValueError(f"{name} must be {expected}, not {repr(value)[:80]}")
        if kind is str and not is_plain(value):
            raise ValueError(f"{name} must be a text of at most 255 characters that print, not {value[:80]!r}")


BASE = Source(
    "stabilityai/stable-diffusion-2-1-base", "5ede9e4bf3e3fd1cb0ef2f7a3fff13ee514fdf06", variant="fp16", gigabytes=2.6
)


def controlnet(kind: str) -> Source:
    """Return a ControlNet for Stable Diffusion 2.1."""
    return Source(f"thibaud/controlnet-sd21-{kind}-diffusers", gigabytes=1.5)


PIC = GeneratorConfig(BASE)
PICS = GeneratorConfig(
    BASE,
    {
        **dict.fromkeys(("hed", "pidinet", "teed"), controlnet("hed")),  # all draw soft edges
        "canny": controlnet("canny"),
        **dict.fromkeys(("lineart", "lineart_anime", "lineart_standard", "anyline"), controlnet("lineart")),
        "mlsd": controlnet("lineart"),  # no ControlNet for straight lines is published for this base
        **dict.fromkeys(("depth", "depth_leres"), controlnet("depth")),
        "depth_zoe": controlnet("zoedepth"),
        "normal_bae": controlnet("normalbae"),
        "openpose": controlnet("openposev2"),
        "segmentation": controlnet("ade20k"),
    },
    scheduler="UniPCMultistepScheduler",
)
