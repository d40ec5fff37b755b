"""The codec of Koerber et al., EGIC: Enhanced Low-Bit-Rate Generative Image Compression, ECCV 2024.

Swin transformers around ChARM, as in Zhu et al. (ICLR 2022), with a synthesis that is trained against a
discriminator. Output residual prediction (section 3.3) gives its last stage a second head, trained for least
distortion; between the two outputs a decoder may choose any point.
"""

import copy
import dataclasses
from itertools import pairwise

import torch
from nic_core.errors import BadOption
from nic_nn.entropy.priors import FactorizedPrior
from nic_nn.model import LatentModel
from nic_nn.nets.charm import Charm
from nic_nn.nets.swin import NormedPatchSplitting, PatchMerging, SwinStage, ToPlanes, ToPositions
from torch import Tensor, nn

from nic_egic.config import EgicConfig

WINDOW, HYPER_WINDOW = 8, 4


class Egic(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns.

    `forward` gives the reconstruction at realism 1; see `Synthesis` for others. There is no floor on likelihoods.
    """

    synthesis_config = ("orp",)
    graphs = ()  # torch.export takes no windows whose padding depends on the picture's size

    g_s: "Synthesis"

    def __init__(self, config: EgicConfig) -> None:
        latent, hyper_latent = config.widths[-1], config.hyper_widths[-1]
        super().__init__((latent, hyper_latent), likelihood_floor=0, scale_is_index=True)
        self.config = config
        self.entropy_bottleneck = FactorizedPrior(hyper_latent, likelihood_floor=0, filters=(3, 3), centred=True)
        pixels = config.widths, config.depths, WINDOW, config.head_dim
        latents = config.hyper_widths, config.hyper_depths, HYPER_WINDOW, config.head_dim
        self.g_a = analysis(3, *pixels)
        self.g_s = Synthesis(synthesis_stages(3, *pixels), config.orp)
        self.h_a = analysis(latent, *latents)
        self.h_s = Synthesis(synthesis_stages(2 * latent, *latents))
        self.charm = Charm(
            latent,
            latent // config.slices,
            support=config.support,
            hidden=[(width, width // 2) for width in config.context_widths],
            means_first=True,
            scale_is_index=True,
        )
        self.order = self.charm.order
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)

    def completed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the second head, where this model has one and the state has none, as a copy of the first."""
        if not self.config.orp or any(name.startswith("g_s.mse_head.") for name in state):
            return state
        last = f"g_s.stages.{len(self.config.widths) - 1}."
        copied = {
            name.replace(last, "g_s.mse_head."): value.clone() for name, value in state.items() if name.startswith(last)
        }
        return {**state, **copied}

    def without_orp(self) -> "Egic":
        """Return a model of the same weights whose synthesis has no second head; this one where it has none."""
        if not self.config.orp:
            return self
        model, state = Egic(dataclasses.replace(self.config, orp=False)), self.state_dict()
        model.load_state_dict({name: state[name] for name in model.state_dict()})
        return model.train(self.training).to(next(self.parameters()).device)


class Synthesis(nn.Module):
    """g_s and h_s: y_hat to x_hat, z_hat to parameters; g_s may have two heads to choose from (section 3.3).

    stages: each doubles the sides; the last one of g_s is the head that is trained for realism.
    orp: whether there is another head, a copy of the last stage as it is now, to be trained for least distortion.
    """

    def __init__(self, stages: list[nn.Sequential], orp: bool = False) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.mse_head = copy.deepcopy(stages[-1]) if orp else None

    def copy_head(self) -> None:
        """Let the other head, which must be there, start anew from the last stage."""
        assert self.mse_head is not None
        self.mse_head.load_state_dict(self.stages[-1].state_dict())

    def forward(self, y_hat: Tensor, realism: float = 1.0) -> Tensor:
        """Return x_hat of y_hat, or parameters of z_hat, (N, C, H, W) both; see `finish`."""
        return self.finish(self.features(y_hat), realism)

    def features(self, y_hat: Tensor) -> Tensor:
        """Return what both heads see, (N, H, W, C); it serves any number of values of realism."""
        x = y_hat.permute(0, 2, 3, 1).contiguous()
        for stage in self.stages[:-1]:
            x = stage(x)
        return x

    def finish(self, features: Tensor, realism: float = 1.0) -> Tensor:
        """Return x_hat of `features`: at 1 the realistic head's, at 0 the other's, in between their weighted mean.

        BadOption for a realism other than 1 where there is one head only.
        """
        if realism == 1:
            x = self.stages[-1](features)
        elif self.mse_head is None:
            raise BadOption(
                f"realism {realism:g} needs weights with output residual prediction, these have none: "
                "name others with --weights, or leave the option out"
            )
        else:
            x = self.mse_head(features)
            if realism != 0:
                x = torch.lerp(x, self.stages[-1](features), realism)
        return x.permute(0, 3, 1, 2)


def analysis(
    inputs: int, widths: tuple[int, ...], depths: tuple[int, ...], window: int, head_dim: int
) -> nn.Sequential:
    """g_a and h_a: 2x2 patch embedding, then Swin stages, all but the last with patch merging; (N, C, H, W)."""
    stages = [
        nn.Sequential(SwinStage(width, depth, width // head_dim, window))
        for width, depth in zip(widths, depths, strict=True)
    ]
    for stage, pair in zip(stages, pairwise(widths), strict=False):
        stage.append(PatchMerging(*pair))
    embedding = nn.Sequential(nn.Conv2d(inputs, widths[0], 2, 2), ToPositions())
    return nn.Sequential(embedding, *stages, ToPlanes())


def synthesis_stages(
    outputs: int, widths: tuple[int, ...], depths: tuple[int, ...], window: int, head_dim: int
) -> list[nn.Sequential]:
    """Stages of g_s and h_s: Swin stages with patch splitting, the last without a norm; (N, H, W, C).

    widths and depths are the analysis's.
    """
    widths, depths = widths[::-1], depths[::-1]
    last = len(widths) - 1
    return [
        nn.Sequential(
            SwinStage(width, depth, width // head_dim, window),
            NormedPatchSplitting(width, following, norm=index < last),
        )
        for index, (width, depth, following) in enumerate(zip(widths, depths, (*widths[1:], outputs), strict=True))
    ]
