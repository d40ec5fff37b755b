"""How EGIC is trained (Koerber et al., ECCV 2024, section 4): four phases, stages of one run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from nic_core.errors import BadOption, BadWeights, NicError
from nic_nn.distances.lpips import lpips
from nic_nn.model import LatentModel
from nic_nn.training.augmentation import Policy
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Stage
from nic_nn.training.optimizers import adam
from nic_nn.training.recipe import LARGEST, Limits, Networks, Optimizers, RateDistortion, bits_per_pixel
from nic_nn.training.start import Start
from torch import Tensor

from nic_egic.config import EgicConfig
from nic_egic.discriminator import OasisC
from nic_egic.importer import codec_state, import_checkpoint
from nic_egic.losses import labelmix_loss, labelmix_mask, segmentation_loss
from nic_egic.model import Egic
from nic_egic.oasis_importer import OASIS, load_oasis
from nic_egic.variables import read_variables

Phase = Literal["generator", "segmentation", "adversarial", "orp"]

SHARES: dict[Phase, int] = {"generator": 2, "segmentation": 1, "adversarial": 1, "orp": 2}
"""How the steps are divided: 200, 100, 100 and 200 epochs of 10 000 steps in the authors' training."""
MSE_WEIGHT = 0.1 * 2**-5 * 0.75
"""Of the squared error on the scale of 0 to 255, as in HiFiC (Mentzer et al., NeurIPS 2020)."""
SYNTHESIS = ("model.g_s.stages",)
HEAD = ("model.g_s.mse_head",)


@dataclass(frozen=True)
class EgicRecipe(RateDistortion):
    """Four phases, whose stages divide `steps` as 2 : 1 : 1 : 2; the defaults are the authors'.

    generator: 0.1 * 2^-5 * 0.75 * 255^2 * MSE + LPIPS + lambda * bpp, of one half of each batch, since the authors keep
        the other for OASIS-C here already; the rate falls by ten for the last tenth.
    segmentation: OASIS-C learns to segment; all else rests.
    adversarial: one half of each batch for a step of OASIS-C, the other for one of the synthesis transform, whose loss
        gains 0.15 * the segmentation loss of its reconstructions. Encoder and entropy model rest from here on, so
        files of this and the next phase decode with either's weights.
    orp: the last synthesis stage is copied, and the copy learns the squared error alone.

    learns: what does in the first phase, "everything" or, after weights trained for rate and squared error (`--init`),
        "synthesis" alone, as in the authors' code.
    halved: False lets the first phase learn from whole batches.
    classes: of the label maps, void among them; 0 takes the data's.
    lmbda: weight of the rate: more is a smaller file. lr, adversary_lr: of the first three phases and of OASIS-C as a
        segmenter; adversarial_lr: of both networks against each other.
    k_adversary, k_labelmix: weights of the reconstructions' segmentation loss and of LabelMix.
    lpips: False does without it, and without its network. lpips_path: torchvision's AlexNet, a file; empty to have it
        downloaded.
    width: of the first stage of g_a, a multiple of 4; the others follow. disc_width: of OASIS-C's first block.

    Nothing is clipped, Adam's eps is Keras's, and pictures become crops as in the authors' configuration of deeplab2.
    """

    phase: Phase = "generator"
    lmbda: float = 2.0
    steps: int = 6_000_000
    batch: int = 16
    eps: float = 1e-7
    clip: float = 0.0
    learns: Literal["everything", "synthesis"] = "everything"
    halved: bool = True
    classes: int = 0
    adversary_lr: float = 1e-4
    adversarial_lr: float = 1e-5
    k_adversary: float = 0.15
    k_labelmix: float = 10.0
    lpips: bool = True
    lpips_path: str = ""
    width: int = 128
    disc_width: int = 128
    scale: tuple[float, float] = (0.5, 1.5)
    scale_step: float = 0.1
    long_side: int = 640
    pad: bool = True
    autoaugment: Policy = "simple_classification_policy_magnitude_scale_0.2"

    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "classes": (0, 65536),
        "adversary_lr": (0, LARGEST),
        "adversarial_lr": (0, LARGEST),
        "k_adversary": (0, LARGEST),
        "k_labelmix": (0, LARGEST),
        "width": (4, 1024),
        "disc_width": (1, 1024),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        super().__post_init__()
        if self.batch % 2:
            raise BadOption(f"batch must be even, for the two halves of the adversarial phase, not {self.batch}")

    @property
    def needs(self) -> frozenset[str]:
        """Label maps, in the phases of OASIS-C."""
        return frozenset({"labels"}) if self.phase in ("segmentation", "adversarial") else frozenset()

    @property
    def tradeoff(self) -> float:
        """The weight of 255^2 * MSE against a bit per pixel."""
        return MSE_WEIGHT / self.lmbda

    def base_config(self) -> EgicConfig:
        """Return the config of this width with the second head, which `exported` takes away until it has learned."""
        return EgicConfig.of(self.width, orp=True)

    def build_model(self) -> Egic:
        """Return a fresh model."""
        return Egic(self.config)

    def build(self) -> Networks:
        """Return the model, and OASIS-C where the number of classes is known."""
        model = self.build_model()
        if not self.classes:
            return Networks(model)
        return Networks(model, adversary=OasisC.of(self.disc_width, self.classes, model.channels[0]))

    def optimizers(self, networks: Networks) -> Optimizers:
        """Return Adam or Muon, the quantiles' Adam, and OASIS-C's."""
        found = super().optimizers(networks)
        if networks.adversary is None:
            return found
        adversary = adam(networks.parameters("adversary"), self.adversary_lr, "adversary_lr", self.eps)
        return replace(found, adversary=adversary)

    def stages(self) -> tuple[Stage, ...]:
        """Return the phases."""
        unit = sum(SHARES.values())
        ends = [self.steps * share // unit for share in (2, 3, 4, 6)]
        steps = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        slow = {"lr": self.adversarial_lr, "adversary_lr": self.adversarial_lr, "schedule": "constant", "warmup": 0}
        plans: list[tuple[Phase, dict[str, Any], tuple[str, ...]]] = [
            ("generator", {}, SYNTHESIS if self.learns == "synthesis" else ("model",)),
            ("segmentation", {"schedule": "constant"}, ("adversary",)),
            ("adversarial", slow, (*SYNTHESIS, "adversary")),
            ("orp", {}, HEAD),
        ]
        return tuple(
            Stage(phase, count, {"phase": phase, **values}, trainable)
            for (phase, values, trainable), count in zip(plans, steps, strict=True)
        )

    def begin(self, networks: Networks) -> None:
        """Start the second head as a copy of the first one."""
        if self.phase == "orp":
            networks.model.g_s.copy_head()

    def exported(self, networks: Networks) -> LatentModel:
        """Return the model, with its second head where that has learned."""
        return networks.model if self.phase == "orp" else networks.model.without_orp()

    def published(self, path: Path) -> Start:
        """Return the codec, OASIS-C, or both, that a TensorFlow checkpoint of the authors holds; BadWeights if none."""
        variables = read_variables(path)
        parts = {}
        if state := codec_state(variables):
            parts["model"] = import_checkpoint.model_of(state, path.name).state_dict()
        if any(OASIS.match(name) for name in variables):
            parts["adversary"] = load_oasis(variables, path.name).state_dict()
        if not parts:
            raise BadWeights(f"{path.name} holds no variables of EGIC and none of OASIS-C")
        return Start(parts)

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        model = networks.model
        if self.phase == "orp":
            return self._head_loss(model, batch)
        if model.training and (self.phase == "adversarial" or (self.phase == "generator" and self.halved)):
            batch = half(networks, batch, 1)
        output = model(batch.pixels)
        x, x_hat = batch.pixels, output["x_hat"].float()
        distortion, shown = self.distortion(x_hat, x)
        bpp = bits_per_pixel(output, x).mean()
        loss = MSE_WEIGHT * distortion.mean() + self.lmbda * bpp
        if self.lpips:
            shown["lpips"] = self._perceptual(x_hat, x)
            loss = loss + shown["lpips"]
        if self.phase == "adversarial":
            logits = adversary_of(networks)(x_hat, output["latents"]["y_hat"].detach())
            shown["realism"] = segmentation_loss(logits, labels_of(batch), batch.weights)
            loss = loss + self.k_adversary * shown["realism"]
        return {"loss": loss, "bpp": bpp, **shown}

    def _perceptual(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Return LPIPS; NicError says how to do without."""
        try:
            return lpips(x_hat, x, self.lpips_path).mean()
        except NicError as error:
            raise NicError(f"{error}; --no-lpips trains without it") from error

    def _head_loss(self, model: Egic, batch: Batch) -> dict[str, Tensor]:
        """Return the squared error of the second head, whose input is not to learn."""
        with torch.no_grad():
            latents = model.estimate(model.g_a(batch.pixels))
            features = model.g_s.features(latents.y_hat)
        x_hat = model.g_s.finish(features, 0.0)
        distortion, shown = self.distortion(x_hat, batch.pixels)
        bpp = bits_per_pixel(latents.output(x_hat), batch.pixels).mean()
        return {"loss": distortion.mean(), "bpp": bpp, **shown}

    def adversary_loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return OASIS-C's loss: as a segmenter, then also as one that tells reconstructions from pictures."""
        adversary = adversary_of(networks)
        if self.phase == "adversarial":
            batch = half(networks, batch, 0)
        x, labels = batch.pixels, labels_of(batch)
        with torch.no_grad():
            output = networks.model(x)
        x_hat, y_hat = output["x_hat"].float(), output["latents"]["y_hat"]
        of_real = adversary(x, y_hat)
        real = segmentation_loss(of_real, labels, batch.weights)
        if self.phase == "segmentation":
            return {"adversary_loss": real}
        of_fake = adversary(x_hat, y_hat)
        fake = segmentation_loss(of_fake, torch.full_like(labels, of_fake.shape[1] - 1))
        mask = labelmix_mask(labels, batch.random("labelmix"))
        mixed = labelmix_loss(mask, adversary(torch.where(mask, x, x_hat), y_hat), of_fake, of_real)
        return {"adversary_loss": real + fake + self.k_labelmix * mixed, "real": real, "fake": fake, "labelmix": mixed}


def half(networks: Networks, batch: Batch, which: int) -> Batch:
    """Return the pictures of OASIS-C's step (0) or of the generator's (1), and let the model draw their noise.

    BadOption where there is but one picture.
    """
    middle = len(batch) // 2
    if not middle:
        raise BadOption("halves of batches need two pictures in each piece of a batch: lower --accumulate")
    chosen = batch[middle:] if which else batch[:middle]
    networks.model.noise = chosen.random("rounding").rounding_noise
    return chosen


def adversary_of(networks: Networks) -> OasisC:
    """Return OASIS-C; BadOption where the number of classes was not known."""
    if networks.adversary is None:
        raise BadOption("OASIS-C needs label maps: give them with --labels, or their number of classes")
    assert isinstance(networks.adversary, OasisC)
    return networks.adversary


def labels_of(batch: Batch) -> Tensor:
    """Return the label maps, which the trainer gives where `needs` names them."""
    assert batch.labels is not None
    return batch.labels
