"""The optimizers that recipes choose from; each group's entry "rate" names the field of the recipe with its rate."""

from typing import Any

import torch
from nic_core.errors import NicError
from torch import Tensor, nn


def adam(parameters: list[nn.Parameter], rate: float, name: str = "lr", eps: float = 1e-8) -> torch.optim.Optimizer:
    """Return Adam at the rate that the recipe's field `name` holds; eps is added to the root of the second moment."""
    return torch.optim.Adam([{"params": parameters, "rate": name}], rate, eps=eps, fused=True)


def muon(parameters: list[nn.Parameter], others: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return Muon for convolutions' weights ("lr"), with its AdamW for all other parameters ("other_lr").

    others: parameters that AdamW takes whatever they are. Muon's steps are as large for vanishing gradients as for any,
    so what has reached the end of its loss would be driven on and on.
    """
    base: Any = _package("muon").Muon
    from pytorch_optimizer.optimizer.utils import zero_power_via_gram_newton_schulz

    class Muon(base):
        """Orthogonalises in float32 on CPUs: most of them only emulate the package's bfloat16, thirty times slower."""

        @staticmethod
        def _orthogonalize(group: dict[str, Any], updates: list[Tensor]) -> list[Tensor]:
            if updates[0].is_cuda:
                return base._orthogonalize(group, updates)
            made = list(updates)
            for numbers in _of_equal_shape(updates):
                batch = torch.stack([updates[number].flatten(1) for number in numbers])
                orthogonal = zero_power_via_gram_newton_schulz(
                    batch, group["ns_steps"], weights=group["ns_coeffs"], dtype=torch.float32
                )
                for number, update in zip(numbers, orthogonal, strict=True):
                    made[number] = update
            return made

    matrices = [p for p in parameters if p.ndim == 4 and len(p) > 1]  # (1, C, 1, 1) holds gains
    rest = [p for p in parameters if p.ndim != 4 or len(p) == 1]
    return Muon(
        [
            {"params": matrices, "use_muon": True, "rate": "lr"},
            {"params": [*rest, *others], "use_muon": False, "rate": "other_lr"},
        ]
    )


def soap(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return SOAP, Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., 2024), without weight decay."""
    return _package("soap").SOAP([{"params": parameters, "rate": "lr"}], rate, weight_decay=0.0)


def _of_equal_shape(tensors: list[Tensor]) -> list[list[int]]:
    """Return the numbers of tensors that are matrices of the same size, in their order."""
    found: dict[tuple[int, int], list[int]] = {}
    for number, tensor in enumerate(tensors):
        found.setdefault((len(tensor), tensor[0].numel()), []).append(number)
    return list(found.values())


def _package(optimizer: str) -> Any:
    try:
        import pytorch_optimizer  # an optional dependency
    except ImportError as error:
        raise NicError(f"optimizer={optimizer} needs a package: pip install 'nic-nn[{optimizer}]'") from error
    return pytorch_optimizer
