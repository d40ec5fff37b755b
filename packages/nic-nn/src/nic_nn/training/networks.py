"""What a recipe trains, and with which optimizers."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nic_nn.entropy.priors import FactorizedPrior


@dataclass(frozen=True)
class Networks:
    """What is trained together.

    model: what is exported at the end.
    auxiliary: what helps the model's own loss and is not exported, such as a second entropy model.
    adversary: what has a loss and an optimizer of its own, such as a discriminator.
    """

    model: Any
    auxiliary: nn.Module | None = None
    adversary: nn.Module | None = None

    def parts(self) -> dict[str, nn.Module]:
        """Return those that exist, by name: names of parameters start with it ("model.g_a.0.weight")."""
        found = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {name: module for name, module in found.items() if module is not None}

    def parameters(self, *parts: str) -> list[nn.Parameter]:
        """Return the parameters of the named parts, without the priors' quantiles, which have a loss of their own.

        parts: "model" for all of a part's, "model.g_s." for those whose names begin so.
        """
        return [
            parameter
            for part, module in self.parts().items()
            for name, parameter in module.named_parameters()
            if (part in parts or f"{part}.{name}".startswith(tuple(p for p in parts if "." in p)))
            and not name.endswith("quantiles")
        ]

    def quantiles(self) -> list[nn.Parameter]:
        """Return the quantiles of all factorised priors that learn any."""
        return [prior.quantiles for prior in self._priors()]

    def quantile_loss(self) -> Tensor:
        """Return how far the quantiles are from where their priors put them; 0 where there are no priors."""
        return sum((prior.loss() for prior in self._priors()), torch.zeros(()))

    def _priors(self) -> list[FactorizedPrior]:
        modules = [module for part in self.parts().values() for module in part.modules()]
        return [module for module in modules if isinstance(module, FactorizedPrior) and not module.centred]


@dataclass(frozen=True)
class Optimizers:
    """The optimizers of a run; each parameter is in at most one.

    Each of their parameter groups has an entry "rate": the field of the recipe that holds its learning rate.

    main: of the model and the auxiliary. quantiles: of the priors' quantiles. adversary: of the adversary.
    """

    main: torch.optim.Optimizer
    quantiles: torch.optim.Optimizer
    adversary: torch.optim.Optimizer | None = None

    def all(self) -> list[torch.optim.Optimizer]:
        """Return those that exist."""
        return [found for found in (self.main, self.quantiles, self.adversary) if found is not None]
