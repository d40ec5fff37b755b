"""A small network with random weights in place of CLIP: what it computes means nothing."""

from pathlib import Path

import open_clip
import torch

TEXT_WIDTH = 64
"""Width of the small CLIP's text tokens; CLIP ViT-B/32 has 512."""


def write_random_clip(folder: Path, layers: int = 2, image_size: int = 32) -> Path:
    """Write a small CLIP with random weights, in OpenAI's layout; return the file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(
            embed_dim=48,
            vision_cfg={"image_size": image_size, "layers": layers, "width": 64, "patch_size": 16},
            text_cfg={"width": TEXT_WIDTH, "heads": TEXT_WIDTH // 64, "layers": layers},
            quick_gelu=True,
        )
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "embedding" in name:  # small or constant at first, so that a mistake would hide
                parameter.data += 0.1 * torch.randn_like(parameter)
    # OpenAI published its weights in half precision.
    state = {name: value.half().float() for name, value in model.state_dict().items()}
    torch.save(state, folder / "random_clip.pt")
    return folder / "random_clip.pt"
