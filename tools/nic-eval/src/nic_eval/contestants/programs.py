"""Baselines that are programs of their own: BPG, VTM (H.266) and x265 (H.265), all in 4:4:4, found on the PATH."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from nic_core.errors import NicError
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture

from nic_eval.contestants.contestant import Setting, rgb
from nic_eval.results import Kind

WEIGHTS = (0.2126, 0.7152, 0.0722)
"""BT.709's shares of red, green and blue in the luma."""


class MissingProgram(NicError):
    """A baseline's program is not on the PATH; the message names it."""


@dataclass(frozen=True)
class Program:
    """A codec that reads a picture from a file and writes another.

    encoders, decoders: names that the programs go by, the first found is used.
    steps: quantisation parameters to measure.
    """

    name: str
    suffix: str
    encoders: tuple[str, ...]
    decoders: tuple[str, ...]
    steps: tuple[float, ...] = (47, 42, 37, 32, 27, 22)
    kind: Kind = field(default="baseline", init=False)
    picture_suffix = "y4m"

    @property
    def description(self) -> str:
        """The programs, by path, and what their times include."""
        return f"{self.program(self.encoders)}, {self.program(self.decoders)}, 4:4:4; times include starting them"

    def settings(self) -> list[Setting]:
        """See `Contestant`; MissingProgram where a program is not there."""
        self.program(self.encoders)
        self.program(self.decoders)
        return [Setting(f"QP {step:g}", step) for step in self.steps]

    def ladder(self) -> list[Setting]:
        """See `Contestant`; parameters from 51 down to 10."""
        return [Setting(f"QP {step}", step) for step in range(51, 9, -1)]

    def encode(self, picture: Picture, setting: Setting) -> bytes:
        """See `Contestant`; NicError with the program's last line where it fails."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, f"in.{self.picture_suffix}"), Path(folder, f"out.{self.suffix}")
            self.write(picture, source)
            _run(self.encode_command(source, target, int(setting.quality or 0)), target)
            return target.read_bytes()

    def decode(self, data: bytes, setting: Setting) -> np.ndarray:
        """See `Contestant`."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, f"in.{self.suffix}"), Path(folder, f"out.{self.picture_suffix}")
            source.write_bytes(data)
            _run(self.decode_command(source, target), target)
            return self.read(target)

    def fingerprint(self, setting: Setting, path: Path) -> str:
        """Commands, and size and date of the programs, which have no common way to tell their version."""
        programs = [Path(self.program(names)) for names in (self.encoders, self.decoders)]
        stamps = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in programs]
        command = self.encode_command(Path("in"), Path("out"), int(setting.quality or 0))
        return f"{command} {stamps}"

    def gmacs(self, picture: Picture, setting: Setting) -> dict[str, float]:
        """Nothing: such codecs are not counted in multiply-accumulates."""
        return {}

    def encode_command(self, source: Path, target: Path, step: int) -> list[str]:
        """Return the command line of the encoder."""
        raise NotImplementedError

    def decode_command(self, source: Path, target: Path) -> list[str]:
        """Return the command line of the decoder."""
        raise NotImplementedError

    def write(self, picture: Picture, path: Path) -> None:
        """Write the encoder's input."""
        path.write_bytes(to_y4m(rgb(picture.pixels)))

    def read(self, path: Path) -> np.ndarray:
        """Read the decoder's output, uint8 (H, W, 3)."""
        return from_y4m(path.read_bytes())

    def program(self, names: tuple[str, ...]) -> str:
        """Return the path of the first of these programs that is there; MissingProgram."""
        for name in names:
            if path := shutil.which(name):
                return path
        raise MissingProgram(f"the baseline {self.name} needs the program {' or '.join(names)} on the PATH")


@dataclass(frozen=True)
class Bpg(Program):
    """BPG with x265, as in CompressAI's benchmarks."""

    name: str = "bpg"
    suffix: str = "bpg"
    encoders: tuple[str, ...] = ("bpgenc",)
    decoders: tuple[str, ...] = ("bpgdec",)
    picture_suffix = "png"

    def encode_command(self, source: Path, target: Path, step: int) -> list[str]:
        """See `Program`."""
        settings = ["-f", "444", "-c", "ycbcr", "-e", "x265", "-b", "8", "-q", str(step)]
        return [self.program(self.encoders), *settings, "-o", str(target), str(source)]

    def decode_command(self, source: Path, target: Path) -> list[str]:
        """See `Program`."""
        return [self.program(self.decoders), "-o", str(target), str(source)]

    def write(self, picture: Picture, path: Path) -> None:
        """See `Program`."""
        image_files.write(picture, path)

    def read(self, path: Path) -> np.ndarray:
        """See `Program`."""
        return rgb(image_files.read(path).to_8_bit().pixels)


@dataclass(frozen=True)
class Vtm(Program):
    """VTM's intra configuration. Versions that read and write Y4M are needed (17 and later)."""

    name: str = "vtm"
    suffix: str = "vvc"
    encoders: tuple[str, ...] = ("EncoderAppStatic", "EncoderApp", "vtm-encoder")
    decoders: tuple[str, ...] = ("DecoderAppStatic", "DecoderApp", "vtm-decoder")

    def encode_command(self, source: Path, target: Path, step: int) -> list[str]:
        """See `Program`."""
        settings = ["-c", str(self.config()), "-q", str(step), "-f", "1", "-fr", "1"]
        formats = ["--InputChromaFormat=444", "--InputBitDepth=8", "--ConformanceWindowMode=1"]
        files = ["-i", str(source), "-b", str(target), "-o", os.devnull]
        return [self.program(self.encoders), *settings, *formats, *files]

    def decode_command(self, source: Path, target: Path) -> list[str]:
        """See `Program`."""
        return [self.program(self.decoders), "-b", str(source), "-o", str(target), "-d", "8"]

    def config(self) -> Path:
        """Return encoder_intra_vtm.cfg: where NIC_VTM_CONFIG says, or in VTM's own folder beside bin/."""
        beside = Path(self.program(self.encoders)).resolve().parent.parent / "cfg" / "encoder_intra_vtm.cfg"
        path = Path(os.environ.get("NIC_VTM_CONFIG") or beside)
        if not path.is_file():
            raise MissingProgram(f"the baseline vtm needs {path}: set NIC_VTM_CONFIG to VTM's encoder_intra_vtm.cfg")
        return path

    def settings(self) -> list[Setting]:
        """See `Contestant`; MissingProgram where a program or the configuration is not there."""
        self.config()
        return super().settings()


@dataclass(frozen=True)
class X265(Program):
    """H.265 still pictures by x265, decoded by FFmpeg."""

    name: str = "x265"
    suffix: str = "hevc"
    encoders: tuple[str, ...] = ("x265",)
    decoders: tuple[str, ...] = ("ffmpeg",)

    def encode_command(self, source: Path, target: Path, step: int) -> list[str]:
        """See `Program`."""
        settings = ["--preset", "veryslow", "--profile", "main444-stillpicture", "--range", "full", "--frames", "1"]
        return [self.program(self.encoders), *settings, "--qp", str(step), "-o", str(target), str(source)]

    def decode_command(self, source: Path, target: Path) -> list[str]:
        """See `Program`."""
        formats = ["-pix_fmt", "yuv444p", "-strict", "-1", "-f", "yuv4mpegpipe"]
        return [self.program(self.decoders), "-loglevel", "error", "-y", "-i", str(source), *formats, str(target)]


def to_y4m(pixels: np.ndarray) -> bytes:
    """Return pixels (H, W, 3), uint8, as one frame of Y4M: full-range BT.709, 4:4:4, 8 bits."""
    height, width, _ = pixels.shape
    r, g, b = np.moveaxis(pixels.astype(np.float64), 2, 0)
    y = WEIGHTS[0] * r + WEIGHTS[1] * g + WEIGHTS[2] * b
    cb, cr = (b - y) / (2 - 2 * WEIGHTS[2]) + 128, (r - y) / (2 - 2 * WEIGHTS[0]) + 128
    planes = np.clip(np.round(np.stack([y, cb, cr])), 0, 255).astype(np.uint8)
    return f"YUV4MPEG2 W{width} H{height} F1:1 Ip C444 XCOLORRANGE=FULL\nFRAME\n".encode() + planes.tobytes()


def from_y4m(data: bytes) -> np.ndarray:
    """Return the first frame of an 8-bit 4:4:4 Y4M file as RGB (H, W, 3), uint8; NicError for other files."""
    head, _, rest = data.partition(b"\n")
    frame, _, samples = rest.partition(b"\n")
    fields = {field[:1]: field[1:] for field in head.decode("latin-1").split()[1:] if not field.startswith("X")}
    if not head.startswith(b"YUV4MPEG2 ") or not frame.startswith(b"FRAME") or fields.get("C") != "444":
        raise NicError("the decoder's output is no 8-bit 4:4:4 Y4M file")
    height, width = int(fields["H"]), int(fields["W"])
    if len(samples) < 3 * height * width:
        raise NicError("the decoder's output is cut short")
    planes = np.frombuffer(samples, np.uint8, 3 * height * width).reshape(3, height, width).astype(np.float64)
    y, cb, cr = planes[0], planes[1] - 128, planes[2] - 128
    r, b = y + (2 - 2 * WEIGHTS[0]) * cr, y + (2 - 2 * WEIGHTS[2]) * cb
    g = (y - WEIGHTS[0] * r - WEIGHTS[2] * b) / WEIGHTS[1]
    return np.clip(np.round(np.stack([r, g, b], 2)), 0, 255).astype(np.uint8)


def _run(command: list[str], target: Path) -> None:
    """Run a program that must write `target`."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not target.exists():
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise NicError(f"{Path(command[0]).name} failed: {lines[-1]}")
