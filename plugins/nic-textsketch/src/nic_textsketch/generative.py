"""The codecs `textsketch-pic` and `textsketch-pics`: what is sent makes a generator paint the picture again.

Lei et al., Text + Sketch, ICML 2023 workshop: the prompt is found by inversion of the picture; the encoder generates
candidates as the decoder would, and sends which of them is nearest to the picture.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import RLock
from typing import Any

import nic_core as nic
import numpy as np
from nic_core import progress
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption, DamagedFile, WeightsNotFound
from nic_core.format.container import File, Header, pack, unpack
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.codec import pick_device
from PIL import Image
from platformdirs import user_cache_path

from nic_textsketch.config import config_of
from nic_textsketch.generation import Generator, Running
from nic_textsketch.geometry import resized, sharpened, working_size
from nic_textsketch.message import Message, Sketching
from nic_textsketch.prompting import prompts
from nic_textsketch.prompting.clip import CLIP, Clip, load_clip
from nic_textsketch.prompting.inversion import Inversion, invert
from nic_textsketch.prompting.selection import Selection
from nic_textsketch.sketches.annotators import load_annotator

SKETCH_CODEC = "textsketch-ntc"

# For a folder of pictures both are loaded once.
_annotator = lru_cache(maxsize=1)(load_annotator)
_sketch_codec = lru_cache(maxsize=1)(partial(nic.load, SKETCH_CODEC))


@dataclass(frozen=True)
class Sketch:
    """A coded sketch.

    stream, checksum, coder: what the sketch codec made of it. decoded: what comes out again, gray, at the working size.
    """

    sketching: Sketching
    stream: bytes
    checksum: int
    coder: str
    decoded: Image.Image


class PicCodec(PixelCodec):
    """A prompt and an index (PIC in the paper). The weights file holds no tensors but the config of a generator.

    BadWeights where the config is none.
    """

    def __init__(self, path: Path, info: WeightsInfo, device: str) -> None:
        super().__init__(path, info, device)
        self.torch_device = pick_device(device)
        self.config = config_of(info)
        self._generators: dict[tuple[str | None, Running], Generator] = {}
        self._painting = RLock()  # a pipeline paints one picture at a time: its scheduler keeps where it is

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`. What may be missing is asked for before the long work begins."""
        with self._painting:
            return self._compress(pixels, options)

    def _compress(self, pixels: np.ndarray, options: dict[str, Any]) -> Coded:
        size = working_size(pixels.shape[1], pixels.shape[0], self.config.size)
        original = resized(Picture(pixels).to_8_bit().to_pil().convert("RGB"), size)
        text, count, seed = options["text"], options["candidates"], options["seed"]
        ids = None if text is None else prompts.tokens(text)
        generator = self._generator(options.get("annotator"), options)
        sketch = self._sketch(original, options)
        generator.obtain()
        if text is not None:
            generator.fits(text)
        elif options["tokens"] > generator.room:
            raise BadOption(f"with {self.config.suffix!r} a prompt has at most {generator.room} tokens: give fewer")
        clip = self._clip(options) if options["select"] == "clip" else None
        selection = Selection(options["select"], original, clip, self.torch_device)
        ids = ids or _inverted(original, self._clip(options), options)
        prompt = prompts.text(ids)

        condition = sharpened(sketch.decoded) if sketch else None
        for picture in generator.pictures(prompt, seed, range(count), size, condition, options["batch"]):
            selection.add(picture)
        progress.note(f"{selection}; prompt: {prompt}")

        message = Message(ids, seed, count, selection.best.index, sketch.sketching if sketch else None)
        if sketch is None:
            return Coded((b"",), _checksum(ids), params=message.pack())
        return Coded((sketch.stream,), sketch.checksum, sketch.coder, message.pack())

    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `PixelCodec.decompress`."""
        message = self._message(units, header)
        size = working_size(header.width, header.height, self.config.size)
        with self._painting:
            generator = self._generator(self._annotator(message), options)
            sketch = self._decoded_sketch(message, units, header, options)  # a damaged one need not load the networks
            generator.obtain()
            condition = sharpened(sketch) if sketch else None
            prompt = prompts.text(message.ids)
            (picture,) = generator.pictures(prompt, message.seed, [message.chosen], size, condition, 1)
        return _pixels(picture, header)

    def parts(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> dict[str, bytes]:
        """Return the prompt, which candidate it is, and where there is a sketch this as coded and as decoded."""
        message = self._message(units, header)
        index = f"candidate {message.chosen + 1} of {message.candidates}, seed {message.seed}\n"
        return {".prompt.txt": f"{prompts.text(message.ids)}\n".encode(), ".index.txt": index.encode()}

    def _clip(self, options: dict[str, Any]) -> Clip:
        return load_clip(options["clip"] or CLIP.name, _models(options), self.torch_device)

    def _generator(self, annotator: str | None, options: dict[str, Any]) -> Generator:
        """Return the generator for an annotator's sketches, or without any; kept, since its models load slowly."""
        running = Running(options["precision"], options["offload"], options["slicing"], _models(options))
        if (annotator, running) not in self._generators:
            self._generators.clear()  # two would hardly fit in memory
            self._generators[annotator, running] = Generator(self.config, annotator, self.torch_device, running)
        return self._generators[annotator, running]

    def _message(self, units: tuple[bytes, ...], header: Header) -> Message:
        if units != (b"",):
            raise DamagedFile("the file has coded data beside its prompt, where there should be none")
        message = Message.unpack(header.params, sketched=False)
        if _checksum(message.ids) & 0xFFFF != header.checksum:
            raise DamagedFile("the decoded prompt is not the one that was coded")
        return message

    def _annotator(self, message: Message) -> str | None:
        return None

    def _sketch(self, original: Image.Image, options: dict[str, Any]) -> Sketch | None:
        """Draw and code a sketch, where the codec has one."""
        return None

    def _decoded_sketch(
        self, message: Message, units: tuple[bytes, ...], header: Header, options: dict[str, Any]
    ) -> Image.Image | None:
        """Return the sketch, gray, at the working size, where the codec has one."""
        return None


class PicsCodec(PicCodec):
    """A prompt, an index and a sketch (PICS in the paper), coded by `textsketch-ntc`."""

    def parts(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> dict[str, bytes]:
        """See `PicCodec.parts`."""
        message = self._message(units, header)
        png = image_files.encode(Picture.of(self._decoded_sketch(message, units, header, options)), "png")
        coded = self._sketch_file(message, units, header)
        return {**super().parts(units, header, options), ".sketch.nic": coded, ".sketch.png": png}

    def _message(self, units: tuple[bytes, ...], header: Header) -> Message:
        if len(units) != 1:
            raise DamagedFile(f"{self.info.codec} codes a sketch in one unit, the file has {len(units)}")
        return Message.unpack(header.params, sketched=True)  # the sketch codec compares the checksum

    def _annotator(self, message: Message) -> str:
        known, place = sorted(self.config.controlnets), _sketching(message).annotator
        if place >= len(known):
            raise DamagedFile(f"the file names annotator {place}, its generator has {len(known)}")
        return known[place]

    def _sketch(self, original: Image.Image, options: dict[str, Any]) -> Sketch:
        name, weights = options["annotator"], options["annotator_weights"]
        draw = _annotator(name, self.config.size, Path(weights) if weights else None, str(self.torch_device))
        with _sketch_weights_named():
            codec = self._sketch_codec(options)
            data = codec.encode(draw(Picture.of(original)))
        file = unpack(data, original.width * original.height)
        sketching = Sketching(
            sorted(self.config.controlnets).index(name), file.header.entropy_id, file.header.synthesis_id
        )
        coded = (file.units[0], file.header.checksum, file.header.coder)
        return Sketch(sketching, *coded, self._decode_sketch(data, options))

    def _decoded_sketch(
        self, message: Message, units: tuple[bytes, ...], header: Header, options: dict[str, Any]
    ) -> Image.Image:
        return self._decode_sketch(self._sketch_file(message, units, header), options)

    def _decode_sketch(self, data: bytes, options: dict[str, Any]) -> Image.Image:
        width, height = nic.inspect(data).width, nic.inspect(data).height
        with _sketch_weights_named():
            return self._sketch_codec(options).decode(data, max_pixels=width * height, max_seconds=math.inf)

    def _sketch_file(self, message: Message, units: tuple[bytes, ...], header: Header) -> bytes:
        """Return the sketch as a file of the sketch codec: what that has in its header is known here otherwise."""
        width, height = working_size(header.width, header.height, self.config.size)
        ids = (_sketching(message).entropy_id, _sketching(message).synthesis_id)
        return pack(File(Header(width, height, 1, 8, SKETCH_CODEC, header.coder, *ids, None, header.checksum), units))

    def _sketch_codec(self, options: dict[str, Any]) -> nic.Codec:
        return _sketch_codec(options["sketch_weights"] or None, str(self.torch_device))


@contextmanager
def _sketch_weights_named() -> Iterator[None]:
    """Have an error on the sketch codec's weights name the option that they are given by."""
    try:
        yield
    except WeightsNotFound as error:
        raise WeightsNotFound(str(error).replace("--weights", "--sketch-weights")) from error


def _sketching(message: Message) -> Sketching:
    assert message.sketching is not None  # it was unpacked as one with a sketch
    return message.sketching


def _models(options: dict[str, Any]) -> Path | None:
    return Path(options["models"]) if options["models"] else None


def _inverted(original: Image.Image, clip: Clip, options: dict[str, Any]) -> tuple[int, ...]:
    """Return the ids of a prompt for a picture. The search is kept in the user's cache, as far as it has come."""
    search = Inversion(tokens=options["tokens"], iterations=options["iterations"])
    key = hashlib.sha256(repr((original.tobytes(), clip.name, search)).encode()).hexdigest()[:16]
    state = user_cache_path("nic") / "prompts" / f"{key}.pt"
    return invert(clip, clip.image_features([original]), search, state)[0].ids


def _checksum(ids: tuple[int, ...]) -> int:
    return zlib.crc32(np.array(ids, "<i4").tobytes())


def _pixels(picture: Image.Image, header: Header) -> np.ndarray:
    """Return a generated picture (H, W, C) in the size, channels and depth that a header states."""
    picture = resized(picture, (header.width, header.height)).convert("L" if header.channels == 1 else "RGB")
    pixels = np.asarray(picture).reshape(header.height, header.width, header.channels)
    return pixels.astype(np.uint16) * 257 if header.bit_depth == 16 else pixels
