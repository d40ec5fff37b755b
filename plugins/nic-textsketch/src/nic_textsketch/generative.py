"""The codec `textsketch-pic`: a prompt makes a generator paint the picture again. What both that generate share.

Lei et al., Text + Sketch, ICML 2023 workshop: the prompt is found by inversion of the picture; the encoder generates
candidates as the decoder would, and sends which of them is nearest to the picture.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from nic_core import progress
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption, DamagedFile
from nic_core.format.container import File, Header, pack
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.codec import pick_device
from PIL import Image

from nic_textsketch.config import config_of
from nic_textsketch.generation import Generator
from nic_textsketch.geometry import conditioning, resized, working_size
from nic_textsketch.message import Message
from nic_textsketch.pipelines import Running
from nic_textsketch.prompting import prompts
from nic_textsketch.prompting.clip import CLIP, Clip, load_clip
from nic_textsketch.prompting.inversion import Inversion, invert, state_path
from nic_textsketch.prompting.selection import Selection
from nic_textsketch.sketches.coding import Unit


@dataclass(frozen=True)
class Sketch:
    """A sketch as coded, and what comes out again, at the working size."""

    unit: Unit
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
        text, wanted, count, seed = (options[key] for key in ("text", "target_text", "candidates", "seed"))
        if text is not None and wanted is not None:
            raise BadOption("give --text, which is the prompt, or --target-text, for which one is found; not both")
        ids, sought = (None if given is None else prompts.tokens(given) for given in (text, wanted))
        progress.keep(".original.png", lambda: as_png(original))
        generator = self._generator(self._controlnet(options), options)
        sketch = self._sketch(original, options)
        generator.obtain()
        if text is not None:
            generator.fits(text)
        elif options["tokens"] > generator.room:
            raise BadOption(f"with {self.config.suffix!r} a prompt has at most {generator.room} tokens: give fewer")
        clip = self._clip(options) if options["select"] == "clip" else None
        selection = Selection(options["select"], original, clip, self.torch_device)
        ids = ids or self._inverted(original if sought is None else sought, options)
        prompt = prompts.text(ids)

        condition = conditioning(sketch.decoded) if sketch else None
        for picture in generator.pictures(prompt, seed, range(count), size, condition, options["batch"]):
            selection.add(picture)
        progress.note(f"{selection}; prompt: {prompt}")

        message = Message(ids, seed, count, selection.best.index, sketch.unit.sketching if sketch else None)
        if sketch is None:
            return Coded((b"",), _checksum(ids), params=message.pack())
        return Coded((sketch.unit.data,), sketch.unit.checksum, sketch.unit.coder, message.pack())

    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `PixelCodec.decompress`."""
        message = self._message(units, header)
        size = working_size(header.width, header.height, self.config.size)
        with self._painting:
            generator = self._generator(self._controlnet_of(message), options)
            sketch = self._decoded_sketch(message, units, header, options)  # a damaged one need not load the networks
            generator.obtain()
            condition = conditioning(sketch) if sketch else None
            prompt = prompts.text(message.ids)
            (picture,) = generator.pictures(prompt, message.seed, [message.chosen], size, condition, 1)
        return _pixels(picture, header)

    def parts(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> dict[str, bytes]:
        """Return the prompt, which candidate it is, where the bytes are; of a sketch this as coded and as decoded."""
        message = self._message(units, header)
        index = f"candidate {message.chosen + 1} of {message.candidates}, seed {message.seed}\n"
        rates = rates_table(message, units[0], header)
        return {
            ".prompt.txt": f"{prompts.text(message.ids)}\n".encode(),
            ".index.txt": index.encode(),
            ".rates.csv": rates.encode(),
        }

    def _inverted(self, sought: Image.Image | tuple[int, ...], options: dict[str, Any]) -> tuple[int, ...]:
        """Return the ids of a prompt for a picture, or for the text of other ids."""
        clip = self._clip(options)
        settings = Inversion(
            tokens=options["tokens"],
            iterations=options["iterations"],
            lr=options["lr"],
            weight_decay=options["weight_decay"],
            starts=options["prompt_bs"],
        )
        if isinstance(sought, Image.Image):
            targets, key = clip.image_features([sought]), sought.tobytes()
        else:
            targets, key = clip.prompt_features(sought), repr(sought).encode()
        return invert(clip, targets, settings, state_path(clip, settings, key))[0].ids

    def _clip(self, options: dict[str, Any]) -> Clip:
        return load_clip(options["clip"] or CLIP.name, models_folder(options), self.torch_device)

    def _generator(self, annotator: str | None, options: dict[str, Any]) -> Generator:
        """Return the generator for an annotator's sketches, or without any; kept, since its models load slowly."""
        running = Running(options["precision"], options["offload"], options["slicing"], models_folder(options))
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

    def _controlnet(self, options: dict[str, Any]) -> str | None:
        """Return which ControlNet an encoder needs, by its name in the config."""
        return None

    def _controlnet_of(self, message: Message) -> str | None:
        """Return which one a decoder needs."""
        return None

    def _sketch(self, original: Image.Image, options: dict[str, Any]) -> Sketch | None:
        """Draw and code a sketch, where the codec has one."""
        return None

    def _decoded_sketch(
        self, message: Message, units: tuple[bytes, ...], header: Header, options: dict[str, Any]
    ) -> Image.Image | None:
        """Return the sketch, gray, at the working size, where the codec has one."""
        return None


def models_folder(options: dict[str, Any]) -> Path | None:
    """Return the folder of local models that options name."""
    return Path(options["models"]) if options["models"] else None


def as_png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG file."""
    return image_files.encode(Picture.of(picture), "png")


def rates_table(message: Message, unit: bytes, header: Header) -> str:
    """Return where the bytes of a file are, those of its picture's metadata and alpha aside: CSV, a line for each part.

    bpp is of the picture's own size. With the prompt comes the number of the candidate.
    """
    sizes = {"prompt": message.number_bytes, "sketch": len(unit)}
    total = len(pack(File(header, (unit,))))
    rows = {**sizes, "rest": total - sum(sizes.values()), "total": total}
    pixels = header.width * header.height
    lines = (f"{part},{size},{8 * size / pixels:.6f}" for part, size in rows.items())
    return "\n".join(["part,bytes,bpp", *lines, ""])


def _checksum(ids: tuple[int, ...]) -> int:
    return zlib.crc32(np.array(ids, "<i4").tobytes())


def _pixels(picture: Image.Image, header: Header) -> np.ndarray:
    """Return a generated picture (H, W, C) in the size, channels and depth that a header states."""
    picture = resized(picture, (header.width, header.height)).convert("L" if header.channels == 1 else "RGB")
    pixels = np.asarray(picture).reshape(header.height, header.width, header.channels)
    return pixels.astype(np.uint16) * 257 if header.bit_depth == 16 else pixels
