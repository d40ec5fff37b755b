"""The layers of integer nets, computed by numpy: frozen dataclasses that are called with int32 arrays (N, h, w, C)."""

from nic_latent.integers.layers.attention import WindowAttention
from nic_latent.integers.layers.elementwise import Add, Affine, Leaky, Multiply
from nic_latent.integers.layers.functions import Gelu, Sigmoid, Tanh
from nic_latent.integers.layers.moves import Join, Pack, Shuffle, Take, Unpack
from nic_latent.integers.layers.norms import Gdn, InverseGdn, Norm, Pool
from nic_latent.integers.layers.products import Conv, Deconv, Products

Layer = (
    Add
    | Affine
    | Conv
    | Deconv
    | Gdn
    | Gelu
    | InverseGdn
    | Join
    | Leaky
    | Multiply
    | Norm
    | Pack
    | Pool
    | Shuffle
    | Sigmoid
    | Take
    | Tanh
    | Unpack
    | WindowAttention
)

__all__ = [
    "Add",
    "Affine",
    "Conv",
    "Deconv",
    "Gdn",
    "Gelu",
    "InverseGdn",
    "Join",
    "Layer",
    "Leaky",
    "Multiply",
    "Norm",
    "Pack",
    "Pool",
    "Products",
    "Shuffle",
    "Sigmoid",
    "Take",
    "Tanh",
    "Unpack",
    "WindowAttention",
]
