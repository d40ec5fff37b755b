"""How pictures become crops: what a recipe says of it. `nic_train.data` does it."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from nic_core.errors import BadOption

Policy = Literal["none", "simple_classification_policy_magnitude_scale_0.2", "simple_classification_policy"]


@dataclass(frozen=True)
class Augmentation:
    """How a training picture becomes a crop. The fields of a recipe of these names say it.

    mirror: whether half of the crops are mirrored.
    scale: between which factors a picture is scaled before it is cropped. scale_step: only factors so far apart are
        drawn, both ends among them; 0 for all.
    long_side: pixels that the longer side gets first, before the factor; 0 leaves it.
    pad: whether a picture that is smaller than the crop is put somewhere into gray, void where it has labels. Without,
        such pictures are left out, and none is scaled so far down.
    autoaugment: a policy of deeplab2's by its name there (Cubuk et al., CVPR 2019), which changes colours and
        sharpness after scaling; "none" for none.

    BadOption where `scale` is not two factors above 0, the smaller one first.
    """

    mirror: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    scale_step: float = 0.0
    long_side: int = 0
    pad: bool = False
    autoaugment: Policy = "none"

    def __post_init__(self) -> None:
        """Check the factors."""
        if not 0 < self.scale[0] <= self.scale[1]:
            raise BadOption(f"scale must be two factors above 0, the smaller one first, not {self.scale}")

    @classmethod
    def of(cls, recipe: Any) -> "Augmentation":
        """Return what a recipe says; the defaults for what it does not say."""
        own = {item.name: getattr(recipe, item.name) for item in fields(cls) if hasattr(recipe, item.name)}
        return cls(**own)

    @property
    def of_whole_pictures(self) -> bool:
        """Whether pictures are scaled as a whole, as in deeplab2, and not just what is cropped of them."""
        return bool(self.long_side or self.scale_step or self.pad or self.autoaugment != "none")
