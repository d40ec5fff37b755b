"""Tiny diffusion models with random weights, on disk as those of others are: diffusers' own classes, a few MB.

Only the widths differ: the parts, the files and what loads them are those of Stable Diffusion.
"""

import json
from pathlib import Path

import torch

CONTEXT = 77
WIDTH = 32
CHANNELS = (32, 64)


def write_base(folder: Path, variant: str | None = None) -> Path:
    """Write a Stable Diffusion, its weights' files named after a variant if given, and return its folder."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    start, end = len(vocabulary()) - 2, len(vocabulary()) - 1
    text = CLIPTextConfig(
        vocab_size=len(vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 16, 16),  # factor 8
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=512,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer.from_pretrained(write_tokenizer(folder / "tokenizer")),
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=CHANNELS,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=8,
            norm_num_groups=8,
        ),
        # As in Stable Diffusion 2.1
        scheduler=PNDMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, variant=variant)
    # As in those published, whose index names parts that are not needed
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index))
    # What diffusers writes is of this version's tokenizers; what is published has the two files of old.
    (folder / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    write_tokenizer(folder / "tokenizer")
    return folder


def write_controlnet(folder: Path, text_width: int = WIDTH) -> Path:
    """Write a ControlNet for a base of that width, whose sketch matters, and return its folder."""
    from diffusers import ControlNetModel

    torch.manual_seed(1)
    model = ControlNetModel(
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        conditioning_embedding_out_channels=(8, 16, 16, 32),
        cross_attention_dim=text_width,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    for layer in (*model.controlnet_down_blocks, model.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.3)
    for name, weight in model.controlnet_cond_embedding.named_parameters():
        if name.endswith("weight"):
            torch.nn.init.kaiming_normal_(weight)
    model.controlnet_cond_embedding.conv_out.weight.data *= 10  # to be heard among the noise
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> Path:
    """Write CLIP's tokenizer, as old versions of transformers did, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    merges = [" ".join(pair) for pair in open_clip_tokenizer().bpe_ranks]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    special = {"bos_token": words[-2], "eos_token": words[-1], "unk_token": words[-1], "pad_token": "!"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {**special, "model_max_length": CONTEXT, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def vocabulary() -> list[str]:
    """CLIP's tokens in the order of their ids, start and end last, under the names that transformers has for them."""
    return [*list(open_clip_tokenizer().encoder)[:-2], "<|startoftext|>", "<|endoftext|>"]


def open_clip_tokenizer():
    """open_clip's, which has read the vocabulary."""
    from open_clip.tokenizer import _tokenizer

    return _tokenizer
