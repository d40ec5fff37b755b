"""The few layers of timm that codecs build on, without its models; see `nic_nn.nets.parts`.

timm is a dependency of the plugins that import this module.
"""

from nic_nn.nets.parts import load_parts

PARTS = load_parts("timm", ("timm.layers.drop", "timm.layers.fast_norm", "timm.layers.norm"))

DropPath = PARTS["timm.layers.drop"].DropPath
"""Leaves out a branch of whole pictures, each with a probability, in training."""
LayerNorm2d = PARTS["timm.layers.norm"].LayerNorm2d
"""Normalises the channels of each position, (N, C, H, W)."""
