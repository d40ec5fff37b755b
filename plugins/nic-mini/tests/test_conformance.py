"""What every model of latents must do, of mini: with its bundled weights, and trained small."""

from nic_nn.testing import LatentModelTests


class TestMini(LatentModelTests):
    codec_id = "mini"
    values = {
        "optimizer": "adam", "warmup": 0, "widths": (8, 8, 8), "slices": (4, 4), "hyper": 8, "context": 8, "rest": 3
    }  # fmt: skip
    large = 500_000
