"""What every model of latents must do, of a small CCA."""

from nic_nn.testing import LatentModelTests


class TestCca(LatentModelTests):
    codec_id = "cca"
    values = {"width": 16, "depth": 1}
    large = 500_000
