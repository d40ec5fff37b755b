"""What the encoder reads of a caption: the tokens' features of CLIP ViT-B/32 (OpenAI's weights), by open_clip.

They are those of transformers' CLIPTextModel for captions of 38 tokens, padded with the end token and cut after 37,
with padding hidden from attention. open_clip's model takes no mask of the padding, so its transformer is called with
one; its tokenizer mends and unescapes captions first, which transformers' does not, so its cleaning is replaced. What
remains different are a caption that spells out a special token, which only one of the two then takes for one, an
apostrophe before a long s, and letters that are younger than one of their Unicode tables.
"""

import os
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from nic_nn.weights.pretrained import obtaining, read_weights
from torch import Tensor

TOKENS = 38
"""Of a caption, with those of start and end; as the model was trained."""

WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
"""What a downloaded CLIP's folder may call its weights: as open_clip or as transformers does."""


def load_text_encoder(source: str = "", device: torch.device | str = "cpu") -> "TextEncoder":
    """Return CLIP's text encoder, loaded once for each source and device.

    source: a file or folder of CLIP ViT-B/32 as open_clip, OpenAI or transformers save it; empty for the one that the
        environment variable NIC_CLIP names, or else for open_clip's download, which is kept in its cache.
    NicError where it cannot be had.
    """
    return _load(source or os.environ.get("NIC_CLIP", ""), str(device))


@cache
def _load(source: str, device: str) -> "TextEncoder":
    remedy = "download it once where there is a network, or give a local copy with --clip PATH or NIC_CLIP"
    with obtaining("CLIP ViT-B/32", source, remedy):
        clip = read_clip(Path(source)) if source else download_clip()
    return TextEncoder(clip.eval().requires_grad_(False).to(device))


def download_clip() -> Any:
    """Return open_clip's CLIP ViT-B/32 with OpenAI's weights; raises anything."""
    import open_clip  # takes seconds, and decoding can do without

    # OpenAI's weights were trained with QuickGELU, which the name of the model does not say.
    return open_clip.create_model("ViT-B-32", pretrained="openai", force_quick_gelu=True, require_pretrained=True)


def read_clip(path: Path) -> Any:
    """Return a CLIP of OpenAI's from a file or folder, its sizes inferred from the shapes; raises anything."""
    from open_clip.model import build_model_from_openai_state_dict  # takes seconds, and decoding can do without

    file = next((path / name for name in WEIGHTS if (path / name).is_file()), path)
    weights = read_weights(file)
    if "text_model.final_layer_norm.weight" in weights:
        weights = from_transformers(weights)
    return build_model_from_openai_state_dict(weights, cast_dtype=torch.float32).float()


TRANSFORMERS_NAMES = {
    r"(text|vision)_model\.encoder\.layers\.": r"\1_model.transformer.resblocks.",
    r"self_attn\.(in|out)_proj": r"attn.\1_proj",
    r"in_proj\.": "in_proj_",
    r"layer_norm(\d)": r"ln_\1",
    r"mlp\.fc1": "mlp.c_fc",
    r"mlp\.fc2": "mlp.c_proj",
    r"embeddings\.position_embedding\.weight": "positional_embedding",
    r"embeddings\.patch_embedding": "conv1",
    r"embeddings\.": "",
    r"pre_layrnorm": "ln_pre",
    r"post_layernorm": "ln_post",
    r"final_layer_norm": "ln_final",
    r"^text_model\.": "",
    r"^vision_model\.": "visual.",
    r"^visual_projection\.weight": "visual.proj",
    r"^text_projection\.weight": "text_projection",
}
"""Patterns in the names of transformers' CLIP, and what OpenAI's has there; applied in this order."""


def from_transformers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of transformers' CLIP under OpenAI's names."""
    found = {}
    for name, value in weights.items():
        if re.search(r"position_ids|\.[kv]_proj\.", name):  # no weights, and what goes with q_proj
            continue
        if ".q_proj." in name:
            value = torch.cat([weights[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
        if name.endswith("projection.weight"):
            value = value.T
        name = name.replace("q_proj", "in_proj")
        for pattern, theirs in TRANSFORMERS_NAMES.items():
            name = re.sub(pattern, theirs, name)
        found[name] = value
    return found


class TextEncoder:
    """Features of captions.

    clip: open_clip's model. width: of a token's features.
    """

    def __init__(self, clip: Any) -> None:
        from open_clip.tokenizer import SimpleTokenizer  # takes seconds, and decoding can do without

        self.clip = clip
        self.width: int = clip.transformer.width
        self._tokenizer = SimpleTokenizer(context_length=TOKENS)
        self._tokenizer.clean_fn = clean

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the features of all tokens after the last layer's norm, float32 (N, 38, width)."""
        return self._features(texts)[0]

    @torch.no_grad()
    def project(self, texts: Sequence[str]) -> Tensor:
        """Return a vector for each caption, of length 1, that can be compared with those of pictures: (N, E)."""
        features, ends = self._features(texts)
        chosen = features[torch.arange(len(features)), ends] @ self.clip.text_projection
        return torch.nn.functional.normalize(chosen, dim=-1)

    @torch.no_grad()
    def _features(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return features, and where each caption's end token stands."""
        device = self.clip.positional_embedding.device
        tokens = self._tokenizer(list(texts)).to(device)
        end = self._tokenizer.eot_token_id
        ends = tokens.argmax(1)  # no token has a larger number
        places = torch.arange(TOKENS, device=device)
        padding = places > ends[:, None]
        tokens = tokens.masked_fill(padding, end)
        hidden = padding[:, None, :] | (places > places[:, None])
        mask = torch.zeros(hidden.shape, device=device).masked_fill(hidden, -torch.inf)
        heads = self.clip.transformer.resblocks[0].attn.num_heads
        with torch.autocast(device.type, enabled=False):
            x = self.clip.token_embedding(tokens) + self.clip.positional_embedding[:TOKENS]
            x = self.clip.transformer(x, attn_mask=mask.repeat_interleave(heads, 0))
            return self.clip.ln_final(x), ends


def clean(text: str) -> str:
    """Return a caption in lower case, as transformers' tokenizer makes it: each letter for itself."""
    printable = text.encode("utf-8", "replace").decode()  # a command line can hold what is no character
    return "".join(letter.lower() for letter in unicodedata.normalize("NFC", printable))
