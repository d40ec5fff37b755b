"""What can be measured: a contestant codes pictures into files and back, at several settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture

from nic_eval.results import Kind


@dataclass(frozen=True)
class Setting:
    """One point to measure.

    label: unique among a contestant's settings. quality: a codec's own scale, None where there is none.
    weights: location of the weights, empty for baselines.
    """

    label: str
    quality: float | None = None
    weights: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class FilePicture(Picture):
    """A picture as it is measured: 8 bits, gray or RGB, no alpha, no metadata. path: the file that it was read from."""

    path: Path


class Contestant(Protocol):
    """Anything that turns a picture into a file's bytes and back. Can be pickled: worker processes get a copy.

    name: unique in a report. kind: "codec" or "baseline". suffix: of its files, without the dot.
    """

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def kind(self) -> Kind:
        """See the class."""

    @property
    def suffix(self) -> str:
        """See the class."""

    @property
    def description(self) -> str:
        """One line: versions, weights, settings."""

    def settings(self) -> Sequence[Setting]:
        """Return the points to measure; NicError where it cannot run at all."""

    def ladder(self) -> Sequence[Setting]:
        """Return what a search for a rate may choose from, the smallest files first."""

    def encode(self, picture: FilePicture, setting: Setting) -> bytes:
        """Return a file."""

    def decode(self, data: bytes, setting: Setting) -> np.ndarray:
        """Return the pixels of a file, uint8 (H, W, 3)."""

    def fingerprint(self, setting: Setting, path: Path) -> str:
        """Return a text that changes whenever files, pixels or times of the picture at a path may."""

    def gmacs(self, picture: FilePicture, setting: Setting) -> Mapping[str, float]:
        """Return billions of multiply-accumulates by "encode" and "decode", empty where they cannot be counted."""


def read_original(path: Path) -> FilePicture:
    """Return a picture as it is measured: as stored, in 8 bits, without alpha and metadata. BadPicture."""
    return FilePicture(image_files.read(path).to_8_bit().pixels, path=path)


def rgb(pixels: np.ndarray) -> np.ndarray:
    """Return pixels (H, W, 1 or 3) as (H, W, 3)."""
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
