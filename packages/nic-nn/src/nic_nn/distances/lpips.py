"""LPIPS: how different two pictures look to a network."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from nic_core.errors import NicError
from torch import Tensor

from nic_nn.weights.pretrained import obtaining, read_weights

LpipsRange = Literal["unit", "signed"]


def lpips(x_hat: Tensor, x: Tensor, source: str = "", values: LpipsRange = "signed") -> Tensor:
    """Return the LPIPS distance, with AlexNet, of pictures (N, 3, H, W) in [0, 1]: (N,).

    source: see `load_lpips`.
    values: "signed" gives the network values in [-1, 1], which it was made for; "unit" those in [0, 1].
    NicError where the network cannot be had.
    """
    network = load_lpips(source, x.device)
    with torch.autocast(x.device.type, enabled=False):
        return network(x_hat.float(), x, normalize=values == "signed").flatten()


def load_lpips(source: str = "", device: torch.device | str = "cpu") -> Any:
    """Return the network, loaded once; NicError where it cannot be had.

    source: a file of torchvision's AlexNet; empty for the one that the environment variable NIC_LPIPS names, or else
        for torchvision's download, which is kept in its cache.
    """
    return _load(source or os.environ.get("NIC_LPIPS", ""), str(device))


@cache
def _load(source: str, device: str) -> Any:
    try:
        import lpips as package  # an optional dependency
    except ImportError as error:
        raise NicError("LPIPS needs a package: pip install lpips") from error

    copy = "give a local copy with NIC_LPIPS=FILE, or in training with --set lpips_path=FILE"
    remedy = f"download it once where there is a network, or {copy}"
    with obtaining("the AlexNet of LPIPS", source, remedy):
        network = package.LPIPS(net="alex", pnet_rand=bool(source), verbose=False)
        if source:
            weights = read_weights(Path(source))
            # Here a layer is called slice2.3, in torchvision features.3.
            names = {name: name.replace(name.partition(".")[0], "features") for name in network.net.state_dict()}
            network.net.load_state_dict({name: weights[theirs] for name, theirs in names.items()})
    return network.requires_grad_(False).to(device)
