"""The codec `textsketch-pics`: a prompt, and a sketch that the generator follows (PICS in the paper)."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from nic_core import progress
from nic_core.errors import BadWeights, DamagedFile
from nic_core.format.container import Header
from nic_core.pictures.picture import Picture
from PIL import Image

from nic_textsketch.generative import PicCodec, Sketch, as_png, models_folder
from nic_textsketch.geometry import working_size
from nic_textsketch.message import PLACES, Message, Sketching
from nic_textsketch.sketches.annotators import Settings, annotator_of, controlnet_for, load_annotator
from nic_textsketch.sketches.coding import Coder, Unit, as_file, decode, encode

_annotator = lru_cache(maxsize=1)(load_annotator)  # once for a folder of pictures


class PicsCodec(PicCodec):
    """A prompt, an index and a sketch, coded as `nic_textsketch.sketches.coding` does."""

    def parts(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> dict[str, bytes]:
        """See `PicCodec.parts`."""
        message = self._message(units, header)
        drawn = {".sketch.png": as_png(self._decoded_sketch(message, units, header, options))}
        if coded := as_file(_unit(message, units, header), self._size(header)):
            drawn[".sketch.nic"] = coded
        return {**super().parts(units, header, options), **drawn}

    def _message(self, units: tuple[bytes, ...], header: Header) -> Message:
        if len(units) != 1:
            raise DamagedFile(f"{self.info.codec} codes a sketch in one unit, the file has {len(units)}")
        return Message.unpack(header.params, sketched=True)  # what decodes the sketch compares the checksum

    def _controlnet(self, options: dict[str, Any]) -> str:
        return controlnet_for(options["annotator"], self.config)

    def _controlnet_of(self, message: Message) -> str:
        known, place = sorted(self.config.controlnets), _sketching(message).annotator
        if place >= len(known):
            raise DamagedFile(f"the file names annotator {place}, its generator has {len(known)}")
        return known[place]

    def _sketch(self, original: Image.Image, options: dict[str, Any]) -> Sketch:
        name, device = options["annotator"], str(self.torch_device)
        place = sorted(self.config.controlnets).index(self._controlnet(options))
        if place >= PLACES:
            raise BadWeights(f"the generator has {len(self.config.controlnets)} ControlNets, and a file tells {PLACES}")
        coder = Coder.of(options["sketch_codec"], name, options["sketch_weights"] or None)
        weights = Path(options["annotator_weights"]) if options["annotator_weights"] else None
        settings = Settings(**{key: options[key] for key in Settings.__dataclass_fields__})
        draw = _annotator(name, self.config.size, weights, device, settings, models_folder(options))
        sketch = draw(Picture.of(original))
        progress.keep(".drawn.png", lambda: as_png(sketch.to_pil()))
        if annotator_of(name).colour and coder.gray:
            progress.note(f"{coder.name} keeps no colours of the sketch; --sketch-codec names one that does, mini say")
        unit = encode(sketch, place, coder, device)
        return Sketch(unit, decode(unit, original.size, coder.weights, device))

    def _decoded_sketch(
        self, message: Message, units: tuple[bytes, ...], header: Header, options: dict[str, Any]
    ) -> Image.Image:
        unit, weights = _unit(message, units, header), options["sketch_weights"] or None
        return decode(unit, self._size(header), weights, str(self.torch_device))

    def _size(self, header: Header) -> tuple[int, int]:
        return working_size(header.width, header.height, self.config.size)


def _unit(message: Message, units: tuple[bytes, ...], header: Header) -> Unit:
    return Unit(_sketching(message), units[0], header.checksum, header.coder)


def _sketching(message: Message) -> Sketching:
    assert message.sketching is not None  # it was unpacked as one with a sketch
    return message.sketching
