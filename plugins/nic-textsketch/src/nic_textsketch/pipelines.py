"""The networks of a generator: where their files are, and the pipeline of diffusers that they make.

diffusers and transformers take ten seconds to import and are imported where something is loaded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_nn.weights.pretrained import obtaining

from nic_textsketch.config import GeneratorConfig, Source
from nic_textsketch.libraries import quiet
from nic_textsketch.sources import folder

LIBRARIES = ("diffusers", "transformers")
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
REPLACE = "its files are damaged or of another kind of model: replace them"


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

    def dtype(self, device: torch.device) -> torch.dtype:
        """Return the type that networks have on a device."""
        auto = "float32" if device.type == "cpu" else "float16"
        return PRECISIONS[auto if self.precision == "auto" else self.precision]


AS_USUAL = Running()


@dataclass(frozen=True)
class Places:
    """Folders: of the base, and of the ControlNet where there is one."""

    base: Path
    control: Path | None


def places_of(base: Source, control: Source | None, models: Path | None) -> Places:
    """Return where the files of models are, downloaded if need be; errors as of `nic_textsketch.sources.folder`."""
    place = folder(base, models, base_files(base.variant))
    return Places(place, folder(control, models, controlnet_files(control.variant)) if control else None)


def load_tokenizer(base: Path) -> Any:
    """Return the tokenizer of a base; NicError where its files are none."""
    from transformers import CLIPTokenizer

    place = base / "tokenizer"
    with quiet(*LIBRARIES), obtaining("the tokenizer", str(place), REPLACE):
        return CLIPTokenizer.from_pretrained(place, local_files_only=True)


def load_pipeline(
    config: GeneratorConfig, control: Source | None, places: Places, device: torch.device, running: Running
) -> Any:
    """Return a pipeline, ready to run; NicError for damaged files, BadWeights for models that do not fit together."""
    import diffusers

    scheduler, dtype = _scheduler_class(config.scheduler), running.dtype(device)
    kind: Any = diffusers.StableDiffusionPipeline
    controlnet = {}
    if control and places.control:
        kind = diffusers.StableDiffusionControlNetPipeline
        controlnet["controlnet"] = _load(diffusers.ControlNetModel, control, places.control, dtype)
    # A decoder returns the picture that the file describes, which no filter may replace
    unfiltered = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = _load(kind, config.base, places.base, dtype, **unfiltered, **controlnet)
    if control and (of_it := _shape(pipe.controlnet)) != (of_base := _shape(pipe.unet)):
        raise BadWeights(
            f"the ControlNet {control.name} is for another base than {config.base.name}: "
            f"its channels of texts and blocks are {of_it}, the base's {of_base}"
        )
    pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    if running.slicing:
        pipe.enable_attention_slicing()
        pipe.vae.enable_slicing()
        pipe.vae.enable_tiling()
    if running.offload:
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.to(device)
    return pipe


def _load(kind: Any, source: Source, place: Path, dtype: torch.dtype, **parts: Any) -> Any:
    """Load a network or a pipeline; NicError where its files are not what they should be."""
    with obtaining(source.name, str(place), REPLACE):
        return kind.from_pretrained(
            place, torch_dtype=dtype, variant=source.variant or None, local_files_only=True, **parts
        )


def _scheduler_class(name: str) -> Any:
    """Return a scheduler of diffusers; BadWeights where it has none of that name."""
    import diffusers

    kind = getattr(diffusers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        raise BadWeights(
            f"the generator's config asks for the scheduler {name!r}, which diffusers {diffusers.__version__} "
            "does not have"
        )
    return kind


def _shape(network: Any) -> tuple[int, ...]:
    """Return how many channels a network expects of the text encoder, and how many its blocks have."""
    return network.config.cross_attention_dim, *network.config.block_out_channels


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
