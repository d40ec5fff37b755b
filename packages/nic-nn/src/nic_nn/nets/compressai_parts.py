"""The few parts of compressai that nic builds on, without the rest of it; see `nic_nn.nets.parts`."""

import torch
from torch import nn

from nic_nn.nets.parts import load_parts

PARTS = load_parts(
    "compressai",
    (
        "compressai._CXX",
        "compressai.ans",
        "compressai.ops.bound_ops",
        "compressai.ops.ops",
        "compressai.ops.parametrizers",
        "compressai.ops",
        "compressai.entropy_models.entropy_models",
        "compressai.layers.gdn",
        "compressai.layers.layers",
    ),
)
_ans = PARTS["compressai.ans"]
_entropy_models = PARTS["compressai.entropy_models.entropy_models"]
_gdn = PARTS["compressai.layers.gdn"]
_layers = PARTS["compressai.layers.layers"]
_ops = PARTS["compressai.ops"]

BufferedRansEncoder = _ans.BufferedRansEncoder
RansDecoder = _ans.RansDecoder
GDN = _gdn.GDN
AttentionBlock = _layers.AttentionBlock
ResidualBlock = _layers.ResidualBlock
ResidualBlockUpsample = _layers.ResidualBlockUpsample
ResidualBlockWithStride = _layers.ResidualBlockWithStride
LowerBound = _ops.LowerBound
pmf_to_quantized_cdf = _entropy_models.pmf_to_quantized_cdf


class Coderless(_entropy_models.EntropyModel):  # type: ignore[misc,name-defined]
    """What compressai's entropy models have in common, without the coder that each of them asks the whole for."""

    def __init__(self, likelihood_bound: float = 1e-9) -> None:
        nn.Module.__init__(self)
        self.entropy_coder_precision = 16
        self.use_likelihood_bound = likelihood_bound > 0
        if self.use_likelihood_bound:
            self.likelihood_lower_bound = LowerBound(likelihood_bound)
        for name in ("_offset", "_quantized_cdf", "_cdf_length"):
            self.register_buffer(name, torch.IntTensor())

    __getstate__ = nn.Module.__getstate__
    __setstate__ = nn.Module.__setstate__


class EntropyBottleneck(_entropy_models.EntropyBottleneck, Coderless):  # type: ignore[misc,name-defined]
    """compressai's, to be made and copied without the whole."""


class GaussianConditional(_entropy_models.GaussianConditional, Coderless):  # type: ignore[misc,name-defined]
    """compressai's, to be made and copied without the whole."""
