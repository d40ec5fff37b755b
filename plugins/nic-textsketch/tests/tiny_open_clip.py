"""A small CLIP of open_clip's own classes with random weights, laid out as on the hub: its features mean nothing."""

import json
from pathlib import Path

import open_clip
import torch
from nic_nn.testing import entry
from safetensors.torch import save_file

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def write(folder: Path) -> Path:
    """Write config and weights, the same with any version of torch; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    grays = {"mean": [0.5] * 3, "std": [0.25] * 3}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": grays}))
    shapes = {name: tuple(value.shape) for name, value in open_clip.CLIP(**CONFIG).state_dict().items()}
    weights = {name: torch.as_tensor(entry(name, shape), dtype=torch.float32) for name, shape in shapes.items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder
