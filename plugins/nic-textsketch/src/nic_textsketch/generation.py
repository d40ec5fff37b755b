"""Pictures of a prompt, a sketch and noise, by a Stable Diffusion and a ControlNet in diffusers' layout.

The same config, prompt, sketch, seed and number of a candidate give the same picture on one machine. Other devices,
precisions, batches and versions of the libraries round differently: their pictures look the same and are not equal.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from nic_core import progress
from nic_core.errors import BadOption, OutOfMemory
from nic_nn.codec import explained_memory
from PIL import Image
from torch import Tensor

from nic_textsketch.config import GeneratorConfig
from nic_textsketch.libraries import deterministic, quiet
from nic_textsketch.pipelines import AS_USUAL, LIBRARIES, Places, Running, load_pipeline, load_tokenizer, places_of


class Generator:
    """Makes pictures as a config says. Networks are loaded when they are first needed, and kept.

    annotator: whose sketches it follows, by the config's ControlNet for them; None to go by the prompt alone.

    BadOption where the config has no ControlNet for the annotator, or where the device cannot run it as wanted.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        annotator: str | None,
        device: torch.device,
        running: Running = AS_USUAL,
    ) -> None:
        if annotator is not None and annotator not in config.controlnets:
            known = ", ".join(sorted(config.controlnets)) or "none"
            raise BadOption(f"the generator has no ControlNet for sketches by {annotator}; those it has: {known}")
        if running.offload and device.type == "cpu":
            raise BadOption("offload moves networks between an accelerator and the CPU: leave it out on the CPU")
        # Read when CUDA's matrix products are first used, which may be before a picture is made
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self.config, self.device, self.running = config, device, running
        self._control = None if annotator is None else config.controlnets[annotator]
        self._dtype = running.dtype(device)

    def obtain(self) -> None:
        """Find all files, download them if need be, and load the networks.

        NicError or BadWeights for what cannot be had or does not fit; see `nic_textsketch.sources.folder`.
        """
        _ = self._places
        with quiet(*LIBRARIES):
            _ = self._pipe

    @cached_property
    def room(self) -> int:
        """How many tokens of a prompt the text encoder can read besides the suffix."""
        with quiet(*LIBRARIES):
            suffix = self._tokenizer(self.config.suffix).input_ids
        return self._tokenizer.model_max_length - len(suffix)

    def fits(self, prompt: str) -> None:
        """Check that the text encoder can read all of a prompt and the suffix; BadOption where it cannot."""
        with quiet(*LIBRARIES):
            tokens = len(self._tokenizer(prompt).input_ids) - self._tokenizer.num_special_tokens_to_add()
        if tokens > self.room:
            suffix = self.config.suffix
            raise BadOption(
                f"the prompt has {tokens} tokens, and with {suffix!r} at its end {self.room} fit: shorten it"
            )

    def pictures(
        self,
        prompt: str,
        seed: int,
        candidates: Sequence[int],
        size: tuple[int, int],
        sketch: Image.Image | None = None,
        batch: int = 1,
    ) -> Iterator[Image.Image]:
        """Yield the pictures of candidates, in the order given.

        seed, candidates: the noise that each begins with; see `noise`. size: width and height, multiples of 64.
        sketch: of that size, gray, where the generator follows one. batch: how many are made at a time; where they
        are too many for the memory, half as many are tried.

        OutOfMemory where not even one fits. Other errors are those of `obtain`.
        """
        with _working(size):
            call = self._call(prompt, size, sketch)
        left, total = list(candidates), self.config.steps * len(candidates)
        progress.report("generating", 0, total)
        while left:
            now = left[:batch]
            try:
                with _working(size):
                    made = self._batch(call, seed, now, total - self.config.steps * len(left), total)
            except OutOfMemory:
                if len(now) == 1:
                    raise
                batch = len(now) // 2
                continue
            left = left[len(now) :]
            yield from made

    def _call(self, prompt: str, size: tuple[int, int], sketch: Image.Image | None) -> dict[str, Any]:
        """Return what the pipeline is called with for every batch."""
        text, guided = f"{prompt}{self.config.suffix}", self.config.guidance > 1
        positive, negative = self._pipe.encode_prompt(text, self.device, 1, guided, self.config.negative)
        call = {
            "prompt_embeds": positive,
            "negative_prompt_embeds": negative,
            "width": size[0],
            "height": size[1],
            "num_inference_steps": self.config.steps,
            "guidance_scale": self.config.guidance,
        }
        return call if sketch is None else {**call, "image": sketch.convert("RGB")}

    def _batch(
        self, call: dict[str, Any], seed: int, candidates: list[int], done: int, total: int
    ) -> list[Image.Image]:
        """Return the pictures of candidates, made at once. done, total: steps before and in all, for the progress."""
        pipe = self._pipe
        channels, factor = pipe.unet.config.in_channels, pipe.vae_scale_factor
        shape = (1, channels, call["height"] // factor, call["width"] // factor)
        started = [noise(seed, candidate, shape) for candidate in candidates]

        def step(pipe: Any, number: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            # A scheduler may take more steps than it is asked for
            of_each = self.config.steps * (number + 1) // pipe.num_timesteps
            progress.report("generating", done + len(candidates) * of_each, total)
            return tensors

        return pipe(
            **call,
            num_images_per_prompt=len(candidates),
            latents=torch.cat([latents for latents, _ in started]).to(self.device, self._dtype),
            generator=[generator for _, generator in started],
            callback_on_step_end=step,
        ).images

    @cached_property
    def _places(self) -> Places:
        return places_of(self.config.base, self._control, self.running.models)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._places.base)

    @cached_property
    def _pipe(self) -> Any:
        return load_pipeline(self.config, self._control, self._places, self.device, self.running)


def noise(seed: int, candidate: int, shape: Sequence[int]) -> tuple[Tensor, torch.Generator]:
    """Return the normal noise that a candidate begins with, float32, and the generator that goes on from there.

    Files depend on it: the generator is the CPU's, seeded by the first eight bytes, big-endian, of the SHA-256 of
    "seed candidate", both in decimal digits.
    """
    digest = hashlib.sha256(f"{seed} {candidate}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big"))
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32), generator


@contextmanager
def _working(size: tuple[int, int]) -> Iterator[None]:
    """What holds while networks run: for a batch at a time, since torch's settings are everyone's."""
    with quiet(*LIBRARIES), deterministic(), torch.no_grad(), explained_memory((size[1], size[0])):
        yield
