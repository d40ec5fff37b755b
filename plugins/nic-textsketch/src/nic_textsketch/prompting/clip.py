"""CLIP: features of pictures, and of prompts that need not be words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import NicError
from nic_nn.weights.pretrained import obtaining
from PIL import Image
from torch import Tensor

from nic_textsketch.config import Source
from nic_textsketch.prompting.prompts import END, START
from nic_textsketch.sources import folder

CLIP = Source("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", gigabytes=3.9)
"""open_clip's ViT-H-14 laion2b_s32b_b79k, whose text tower Stable Diffusion 2 has."""

CLIP_FILES = ("open_clip_config.json", "open_clip_model.safetensors|open_clip_pytorch_model.bin")

BATCH = 32
"""Pictures whose features are computed at once."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP of open_clip.

    name: what it was loaded by. model: open_clip's. prepare: makes the model's input, (3, H, W), of a picture.
    """

    name: str
    model: Any
    prepare: Callable[[Image.Image], Tensor]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.logit_scale.device

    @property
    def longest(self) -> int:
        """How many tokens it takes besides start and end."""
        return self.model.context_length - 2

    @property
    def embedding(self) -> torch.nn.Embedding:
        """The table of the vocabulary, whose weight is (49408, width)."""
        return _text_tower(self.model).token_embedding

    @torch.no_grad()
    def image_features(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return the features of pictures, (N, D), of unit length."""
        batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        inputs = (torch.stack([self.prepare(picture) for picture in batch]) for batch in batches)
        return torch.cat([self.model.encode_image(x.to(self.device), normalize=True) for x in inputs])

    @torch.no_grad()
    def prompt_features(self, ids: Sequence[int]) -> Tensor:
        """Return the features of one prompt, (1, D), of unit length."""
        return self.text_features(self.embedding(torch.tensor([list(ids)], device=self.device)))

    def text_features(self, embeddings: Tensor) -> Tensor:
        """Return the features, (N, D), of unit length, of prompts given as embeddings of n tokens, (N, n, width)."""
        end = embeddings.shape[1] + 1
        ids = torch.zeros(len(embeddings), self.model.context_length, dtype=torch.long, device=self.device)
        ids[:, 0], ids[:, end] = START, END

        # The tower takes only ids, by which it also finds the end, so it gets the embeddings behind its table.
        def replace(module: Any, inputs: Any, output: Tensor) -> Tensor:
            return torch.cat([output[:, :1], embeddings, output[:, end:]], 1)

        # Where attention is causal, nothing after the end has influence on it: four fifths of the work for 16 tokens.
        def cut(module: Any, inputs: Any, options: Any) -> Any:
            (x,), mask = inputs, options["attn_mask"]
            causal = mask is not None and mask.ndim == 2
            return ((x[:, : end + 1],), {"attn_mask": mask[: end + 1, : end + 1]}) if causal else None

        replacing = self.embedding.register_forward_hook(replace)
        cutting = _text_tower(self.model).transformer.register_forward_pre_hook(cut, with_kwargs=True)
        try:
            return self.model.encode_text(ids, normalize=True)
        finally:
            replacing.remove()
            cutting.remove()


def load_clip(name: str = CLIP.name, models: Path | None = None, device: torch.device | str = "cpu") -> Clip:
    """Return a CLIP, loaded once.

    name: a repository on the Hugging Face hub in open_clip's layout, or a folder. models: see `sources.folder`.
    NicError where it cannot be had or its text tower takes other tokens than CLIP's.
    """
    source = CLIP if name == CLIP.name else Source(name)
    return _load(name, folder(source, models, CLIP_FILES), str(device))


@cache
def _load(name: str, where: Path, device: str) -> Clip:
    import open_clip  # takes seconds

    with obtaining(f"the CLIP {name}", str(where), "it must be a CLIP as open_clip saves one"):
        model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{where}", device=device)
    embedding = getattr(_text_tower(model), "token_embedding", None)
    if embedding is None or embedding.num_embeddings != END + 1:
        raise NicError(f"the CLIP {name} has not CLIP's own vocabulary of {END + 1} tokens: choose another")
    return Clip(name, model.eval().requires_grad_(False), prepare)


def _text_tower(model: Any) -> Any:
    return getattr(model, "text", model)  # open_clip has both kinds
