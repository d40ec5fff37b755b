"""Sizes of the model."""

from dataclasses import dataclass

from nic_latent.tiles.geometry import Reach


@dataclass(frozen=True)
class MiniConfig:
    """Sizes of the model.

    widths, blocks: channels and residual blocks at 1/4, 1/8 and 1/16 of the picture.
    analysis_widths, analysis_blocks: those of g_a, where only encoders pay for more; None for the same.
    synthesis_widths, synthesis_blocks: those of g_s, which decides pixels but no symbols; None for the same.
    rest: how many of y's last channels also hold what g_a and g_s alone leave of the picture, by a linear transform of
        blocks of 16 x 16 pixels; 0 for none. Without, y holds no more numbers than there are channels at 1/16.
    kernels: at each scale, the side of depthwise kernels in the blocks; 0 for blocks of two plain 3x3 convolutions.
    slices: channels of each slice of y, in coding order.
    hyper: channels of z; features: channels that the hyper-synthesis hands to the context.
    context: width of the nets that predict parameters; around: side of the kernel that looks at a slice's anchors.
    lambdas: rate-distortion trade-off (on 255^2 MSE) of quality 1 and 100; levels: trained gains between them.
    """

    widths: tuple[int, int, int] = (48, 96, 152)
    blocks: tuple[int, int, int] = (1, 2, 2)
    slices: tuple[int, ...] = (16, 32, 64, 144)
    hyper: int = 96
    features: int = 96
    context: int = 80
    lambdas: tuple[float, float] = (0.0008, 0.05)
    levels: int = 6
    analysis_widths: tuple[int, int, int] | None = None
    analysis_blocks: tuple[int, int, int] | None = None
    kernels: tuple[int, int, int] = (0, 0, 0)
    around: int = 5
    synthesis_widths: tuple[int, int, int] | None = None
    synthesis_blocks: tuple[int, int, int] | None = None
    rest: int = 0

    @property
    def reach(self) -> Reach:
        """How far away latents matter to a pixel: by what blocks see at their scales, and the last convolution."""
        blocks = map(max, self.blocks, self.synthesis_blocks or self.blocks)
        sees = (count * (kernel // 2 or 2) for count, kernel in zip(blocks, self.kernels, strict=True))
        pixels = 4 + sum(scale * reach for scale, reach in zip((4, 8, 16), sees, strict=True))
        return Reach(pixels + -pixels % 64, local=True)

    def __post_init__(self) -> None:
        """Check what a config may have wrong; ValueError."""
        others = (self.analysis_widths or (1,), self.synthesis_widths or (1,))
        given = (self.widths, *others, self.slices, (self.hyper, self.features, self.context))
        if min(map(min, given)) < 1:
            raise ValueError("widths, slices, hyper, features and context must be at least 1")
        if any(kernel and not kernel % 2 for kernel in (*self.kernels, self.around or 2)):
            raise ValueError("kernels must be odd or 0, and around odd")
        if not 0 <= self.rest <= sum(self.slices):
            raise ValueError("rest must be at least 0 and at most the channels of all slices")
        if self.levels < 2 or min(self.lambdas) <= 0:
            raise ValueError("levels must be at least 2, and lambdas above 0")
