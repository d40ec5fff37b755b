"""Pictures of a prompt, a sketch and noise, by a Stable Diffusion and a ControlNet in diffusers' layout.

The same config, prompt, sketch, seed and number of a candidate give the same picture on one machine. Other devices,
precisions, batches and versions of the libraries round differently: their pictures look the same and are not equal.

diffusers and transformers take ten seconds to import and are imported where something is loaded.
"""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from nic_core import progress
from nic_core.errors import BadOption, BadWeights, OutOfMemory
from nic_nn.codec import explained_memory
from nic_nn.weights.pretrained import obtaining
from PIL import Image
from torch import Tensor

from nic_textsketch.config import GeneratorConfig, Source
from nic_textsketch.sources import folder

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Running:
    """How a generator is run, which the config does not say since every machine decides it for itself.

    precision: "auto" or one of `PRECISIONS`; auto is float32 on the CPU and float16 elsewhere.
    offload: keep on the device only the network that is at work. Slower, for less memory.
    slicing: compute attention part by part, and decode pictures one by one and large ones in tiles, whose pictures
    differ a little. Slower, for the least memory.
    models: the folder of local models; see `nic_textsketch.sources.folder`.
    """

    precision: str = "auto"
    offload: bool = False
    slicing: bool = False
    models: Path | None = None


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
        running: Running = Running(),
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
        auto = "float32" if device.type == "cpu" else "float16"
        self._dtype = PRECISIONS[auto if running.precision == "auto" else running.precision]

    def obtain(self) -> None:
        """Find all files, download them if need be, and load the networks.

        NicError or BadWeights for what cannot be had or does not fit; see `nic_textsketch.sources.folder`.
        """
        _ = self._folders
        with _quiet():
            _ = self._pipe

    @cached_property
    def room(self) -> int:
        """How many tokens of a prompt the text encoder can read besides the suffix."""
        with _quiet():
            suffix = self._tokenizer(self.config.suffix).input_ids
        return self._tokenizer.model_max_length - len(suffix)

    def fits(self, prompt: str) -> None:
        """Check that the text encoder can read all of a prompt and the suffix; BadOption where it cannot."""
        with _quiet():
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
    def _folders(self) -> tuple[Path, Path | None]:
        """Where the base is, and the ControlNet."""
        models, control = self.running.models, self._control
        base = folder(self.config.base, models, base_files(self.config.base.variant))
        return base, folder(control, models, controlnet_files(control.variant)) if control else None

    @cached_property
    def _tokenizer(self) -> Any:
        """The base's."""
        from transformers import CLIPTokenizer

        place = self._folders[0] / "tokenizer"
        with _quiet(), obtaining("the tokenizer", str(place), REPLACE):
            return CLIPTokenizer.from_pretrained(place, local_files_only=True)

    @cached_property
    def _pipe(self) -> Any:
        """The pipeline, ready to run."""
        import diffusers

        scheduler = self._scheduler_class()
        base, control = self._folders
        kind: Any = diffusers.StableDiffusionPipeline
        controlnet = {}
        if self._control and control:
            kind = diffusers.StableDiffusionControlNetPipeline
            controlnet["controlnet"] = self._load(diffusers.ControlNetModel, self._control, control)
        # A decoder returns the picture that the file describes, which no filter may replace
        unfiltered = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipe = self._load(kind, self.config.base, base, **unfiltered, **controlnet)
        if self._control and (of_it := _shape(pipe.controlnet)) != (of_base := _shape(pipe.unet)):
            raise BadWeights(
                f"the ControlNet {self._control.name} is for another base than {self.config.base.name}: "
                f"its channels of texts and blocks are {of_it}, the base's {of_base}"
            )
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
        pipe.set_progress_bar_config(disable=True)
        if self.running.slicing:
            pipe.enable_attention_slicing()
            pipe.vae.enable_slicing()
            pipe.vae.enable_tiling()
        if self.running.offload:
            pipe.enable_model_cpu_offload(device=self.device)
        else:
            pipe.to(self.device)
        return pipe

    def _load(self, kind: Any, source: Source, place: Path, **parts: Any) -> Any:
        """Load a network or a pipeline; NicError where its files are not what they should be."""
        with obtaining(source.name, str(place), REPLACE):
            return kind.from_pretrained(
                place, torch_dtype=self._dtype, variant=source.variant or None, local_files_only=True, **parts
            )

    def _scheduler_class(self) -> Any:
        """Return the config's; BadWeights where diffusers has none of that name."""
        import diffusers

        name = self.config.scheduler
        kind = getattr(diffusers, name, None)
        if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
            raise BadWeights(
                f"the generator's config asks for the scheduler {name!r}, which diffusers {diffusers.__version__} "
                "does not have"
            )
        return kind


REPLACE = "its files are damaged or of another kind of model: replace them"


def _shape(network: Any) -> tuple[int, ...]:
    """Return how many channels a network expects of the text encoder, and how many its blocks have."""
    return network.config.cross_attention_dim, *network.config.block_out_channels


def noise(seed: int, candidate: int, shape: Sequence[int]) -> tuple[Tensor, torch.Generator]:
    """Return the normal noise that a candidate begins with, float32, and the generator that goes on from there.

    Files depend on it: the generator is the CPU's, seeded by the first eight bytes, big-endian, of the SHA-256 of
    "seed candidate", both in decimal digits.
    """
    digest = hashlib.sha256(f"{seed} {candidate}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big"))
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32), generator


def base_files(variant: str) -> list[str]:
    """Return the files needed of a Stable Diffusion, as `nic_textsketch.sources.folder` takes them."""
    ending = f".{variant}" if variant else ""
    return [
        *("model_index.json", "scheduler/scheduler_config.json"),
        *("tokenizer/*.json", "tokenizer/merges.txt|tokenizer/tokenizer.json"),
        *("text_encoder/config.json", f"text_encoder/model{ending}.safetensors|text_encoder/pytorch_model{ending}.bin"),
        *(file for part in ("unet", "vae") for file in (f"{part}/config.json", _weights(f"{part}/", variant))),
    ]


def controlnet_files(variant: str) -> list[str]:
    """Return the files needed of a ControlNet, as `nic_textsketch.sources.folder` takes them."""
    return ["config.json", _weights("", variant)]


def _weights(part: str, variant: str) -> str:
    """Return the file of a network of diffusers: safetensors, else a checkpoint, which diffusers reads as data only."""
    stem = f"{part}diffusion_pytorch_model{f'.{variant}' if variant else ''}"
    return f"{stem}.safetensors|{stem}.bin"


@contextmanager
def _working(size: tuple[int, int]) -> Iterator[None]:
    """What holds while networks run: for a batch at a time, since torch's settings are everyone's."""
    with _quiet(), _deterministic(), torch.no_grad(), explained_memory((size[1], size[0])):
        yield


@contextmanager
def _deterministic() -> Iterator[None]:
    """Have torch choose algorithms that give the same result each time, and restore what was set."""
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    before_cudnn = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before_cudnn


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the remarks and progress bars of diffusers and transformers from the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.utils import logging as of_diffusers
        from transformers.utils import logging as of_transformers

        libraries = (of_diffusers, of_transformers)
        before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
        for library in libraries:
            library.set_verbosity(logging.CRITICAL)
            library.disable_progress_bar()
        try:
            yield
        finally:
            for library, (verbosity, bars) in zip(libraries, before, strict=True):
                library.set_verbosity(verbosity)
                if bars:
                    library.enable_progress_bar()
