"""Conventional codecs, through Pillow and its plugins; `programs` has those that are programs of their own."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from nic_core import api
from nic_core.errors import BadOption, NicError
from nic_core.pictures.picture import Picture
from nic_core.spec import Option
from PIL import Image, features

from nic_eval.contestants import programs
from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.results import Kind


class MissingEncoder(NicError):
    """A baseline's package, program or library is not installed; the message says which."""


@dataclass(frozen=True)
class PillowBaseline:
    """A format that Pillow writes, alone or with a plugin.

    name: of the baseline, with what it was told. format: Pillow's name. qualities: what is measured.
    fixed: its other settings; tunable: those of them that can be told otherwise.
    feature: what Pillow must have been built with. package: the plugin's distribution, empty for Pillow itself.
    """

    name: str
    format: str
    suffix: str
    qualities: tuple[float, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    feature: str = ""
    package: str = ""
    tunable: tuple[Option, ...] = ()
    kind: Kind = field(default="baseline", init=False)

    def told(self, name: str, given: Mapping[str, str]) -> "PillowBaseline":
        """Return the baseline by another name, with settings of its own; BadOption for those that it does not have."""
        known = {option.name: option for option in self.tunable}
        if unknown := [key for key in given if key not in known]:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise BadOption(f"the baseline {self.name} has no setting {unknown[0]!r}; {has}")
        return replace(self, name=name, fixed={**self.fixed, **{key: known[key].parse(given[key]) for key in given}})

    @property
    def description(self) -> str:
        """Versions and settings."""
        fixed = ", ".join(f"{key}={value}" for key, value in self.fixed.items())
        return f"{self.format} by {self._versions()}" + (f", {fixed}" if fixed else "")

    def settings(self) -> list[Setting]:
        """See `Contestant`; MissingEncoder, naming the package."""
        self._prepare()
        return [Setting(f"quality {quality:g}", quality) for quality in self.qualities]

    def ladder(self) -> list[Setting]:
        """See `Contestant`."""
        return [Setting(f"quality {quality}", quality) for quality in range(1, 96)]

    def encode(self, picture: Picture, setting: Setting) -> bytes:
        """See `Contestant`."""
        self._prepare()
        out = io.BytesIO()
        picture.to_pil().save(out, self.format, **self.options(picture, setting))
        return out.getvalue()

    def options(self, picture: Picture, setting: Setting) -> dict[str, Any]:
        """Return what `Image.save` is given."""
        return {**self.fixed, "quality": int(setting.quality or 0)}

    def decode(self, data: bytes, setting: Setting) -> np.ndarray:
        """See `Contestant`."""
        self._prepare()
        with Image.open(io.BytesIO(data), formats=[self.format]) as image:
            return np.asarray(image.convert("RGB"))

    def fingerprint(self, setting: Setting, path: Path) -> str:
        """Format, settings and versions."""
        return f"{self.format} {setting.quality} {sorted(self.fixed.items())} {self._versions()}"

    def gmacs(self, picture: Picture, setting: Setting) -> dict[str, float]:
        """Nothing: such codecs are not counted in multiply-accumulates."""
        return {}

    def _prepare(self) -> None:
        if self.feature and not features.check(self.feature):
            raise MissingEncoder(
                f"the baseline {self.name} needs a Pillow built with {self.feature}: pip install pillow"
            )
        if self.package:
            _register(self.name.partition(":")[0], self.package)

    def _versions(self) -> str:
        parts = [f"Pillow {PIL.__version__}"]
        if self.feature:
            parts.append(f"{self.feature} {features.version(self.feature)}")
        if self.package:
            parts.append(f"{self.package} {version(self.package)}")
        return ", ".join(parts)


class Jpeg2000(PillowBaseline):
    """JPEG 2000, whose quality is the compression ratio that it is asked for."""

    def settings(self) -> list[Setting]:
        """See `Contestant`."""
        self._prepare()
        return [Setting(f"ratio {ratio:g}", ratio) for ratio in self.qualities]

    def ladder(self) -> list[Setting]:
        """See `Contestant`; ratios from 500 down to 2 in steps of 1 %."""
        return [Setting(f"ratio {500 * 0.99**i:.3g}", 500 * 0.99**i) for i in range(550)]

    def options(self, picture: Picture, setting: Setting) -> dict[str, Any]:
        """Return what `Image.save` is given; without mct, Pillow codes R, G and B apart, which costs up to 5 dB."""
        return {**self.fixed, "quality_layers": [setting.quality], "mct": int(picture.channels == 3)}


class Heic(PillowBaseline):
    """HEIC, whose encoder's settings pillow-heif takes apart."""

    def options(self, picture: Picture, setting: Setting) -> dict[str, Any]:
        """Return what `Image.save` is given."""
        given = super().options(picture, setting)
        preset = given.pop("preset", None)
        return {**given, "enc_params": {"preset": preset}} if preset else given


@cache
def _register(name: str, package: str) -> None:
    try:
        if package == "pillow-heif":
            import_module("pillow_heif").register_heif_opener()
        else:
            import_module("pillow_jxl")  # registers itself
    except ImportError as error:
        raise MissingEncoder(f"the baseline {name} needs {package}: pip install {package}") from error


SUBSAMPLING = ("4:4:4", "4:2:2", "4:2:0")
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")


def all_baselines() -> dict[str, Contestant]:
    """Return every known baseline by name, installed or not."""
    ladder = (5, 10, 20, 35, 50, 70, 85, 92)
    subsampling = Option("subsampling", str, "4:2:0", "Of the chroma.", choices=SUBSAMPLING)
    found: Sequence[Contestant] = (
        PillowBaseline("jpeg", "JPEG", "jpg", ladder, {"optimize": True}, "jpg", tunable=(subsampling,)),
        PillowBaseline("webp", "WEBP", "webp", ladder, {"method": 6}, "webp"),
        PillowBaseline(
            "avif",
            "AVIF",
            "avif",
            (10, 20, 30, 40, 50, 60, 70, 80),
            {"speed": 6},
            "avif",
            tunable=(Option("speed", int, 6, "0 takes longest.", minimum=0, maximum=10), subsampling),
        ),
        Jpeg2000(
            "jpeg2000",
            "JPEG2000",
            "jp2",
            (200, 120, 80, 50, 30, 20, 12, 8),
            {"quality_mode": "rates", "irreversible": True},
            "jpg_2000",
        ),
        PillowBaseline(
            "jxl",
            "JXL",
            "jxl",
            (10, 30, 50, 65, 75, 85, 90, 95),
            {"effort": 7},
            package="pillow-jxl-plugin",
            tunable=(Option("effort", int, 7, "10 takes longest.", minimum=1, maximum=10),),
        ),
        Heic(
            "heic",
            "HEIF",
            "heic",
            (10, 20, 30, 40, 50, 60),
            package="pillow-heif",
            tunable=(
                Option("preset", str, "slow", "Of x265.", choices=PRESETS),
                Option("chroma", str, "420", "Its subsampling.", choices=("444", "422", "420")),
            ),
        ),
        programs.Bpg(),
        programs.Vtm(),
        programs.X265(),
    )
    return {baseline.name: baseline for baseline in found}


def find(text: str) -> Contestant:
    """Return a baseline by "name[:key=value,...]"; BadOption for an unknown name, listing all, and for settings."""
    known, (name, weights, given) = all_baselines(), api.parse_codec(text)
    if name not in known or weights:
        raise BadOption(f"no baseline is called {text!r}; there are {', '.join(known)}")
    baseline = known[name]
    if not given:
        return baseline
    if not isinstance(baseline, PillowBaseline):
        raise BadOption(f"the baseline {name} has no settings")
    return baseline.told(text, given)


def split(text: str) -> list[str]:
    """Return the baselines of "jpeg,avif:speed=0,subsampling=4:4:4": what is a setting belongs to the one before."""
    found: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if found and "=" in part.partition(":")[0]:
            found[-1] += f",{part}"
        elif part:
            found.append(part)
    return found
