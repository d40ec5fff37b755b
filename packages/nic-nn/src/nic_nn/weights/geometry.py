"""Whether a model's latents and pictures are as large as it says; what is not would be found when files are decoded."""

import copy

import torch
from nic_core.errors import PluginFault
from nic_latent.tiles.geometry import check_sizes

from nic_nn.model import LatentModel

SIDES = (1, 2)
"""Height and width of the picture that is tried, in strides: two numbers, so that none is taken for the other."""


@torch.inference_mode()
def check_shapes(model: LatentModel) -> None:
    """Code a black picture; PluginFault says which of a model's numbers its transforms contradict.

    That is `stride`, `y_stride`, `channels` or `picture_channels`.
    """
    tried = copy.deepcopy(model).cpu().float().eval()
    whose = f"the model {type(model).__name__}"
    x = torch.zeros(1, model.picture_channels, *(side * model.stride for side in SIDES))
    y = next(iter(tried.analyses(x)))
    z = tried.h_a(y)
    picture, of_y, of_z = ((latent.shape[2], latent.shape[3]) for latent in (x, y, z))
    check_sizes(whose, picture, of_y, of_z, model.y_stride, model.stride)
    if (found := (y.shape[1], z.shape[1])) != tuple(model.channels):
        raise PluginFault(f"{whose} has channels = {model.channels}, but its y and z have {found[0]} and {found[1]}")
    x_hat = tried.synthesise(y)
    if x_hat.shape != x.shape:
        raise PluginFault(f"{whose} synthesises {tuple(x_hat.shape)} from y of a picture {tuple(x.shape)}")
