"""OASIS-C, the discriminator: a segmentation network that also knows what reconstructions look like."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

PIXEL_SCALE = 255
"""What pixels in [0, 1] are multiplied by: the published weights were trained on 0..255."""


class OasisC(nn.Module):
    """A U-Net that gives each pixel a class of the label maps or, last, "fake"; conditioned on the latent.

    Koerber et al., ECCV 2024, after OASIS (Sushko et al., ICLR 2021).

    The latent, as a map of `condition` channels, is multiplied with the last features and summed over channels. That
    one number is added to all of a pixel's logits, so cross-entropy and the most likely class do not depend on it:
    only LabelMix, which compares logits, tells the conditioning what to learn.

    Weights are normalised, with gains that start at the norms of the drawn weights; the authors set them, and the
    biases, by the first batch instead. The first block's are divided by 255 here, to the same end: features of
    ordinary size, whatever pixels are scaled by.

    classes: of the label maps, void (0) among them: 134 for COCO panoptic. latent: channels of y_hat.
    widths: of the blocks on the way down, each of which halves the sides; the way up mirrors them.
    """

    def __init__(
        self,
        classes: int,
        latent: int = 320,
        widths: tuple[int, ...] = (128, 128, 256, 256, 512, 512),
        condition: int = 64,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.down = nn.ModuleList(
            Down(inputs, outputs, first=not number)
            for number, (inputs, outputs) in enumerate(zip((3, *widths), widths, strict=False))
        )
        up = (*widths[-2::-1], condition)
        self.up = nn.ModuleList(
            Up(inputs if not number else 2 * inputs, outputs)
            for number, (inputs, outputs) in enumerate(zip((widths[-1], *up), up, strict=False))
        )
        self.condition = normalised(latent, condition, 3)
        self.head = nn.Conv2d(condition, classes + 1, 1)

    @classmethod
    def of(cls, width: int, classes: int, latent: int) -> "OasisC":
        """Return one whose widths are in the proportions of the paper, where `width` is 128."""
        return cls(classes, latent, (width, width, 2 * width, 2 * width, 4 * width, 4 * width), width // 2)

    def forward(self, pixels: Tensor, y_hat: Tensor) -> Tensor:
        """Return logits (N, classes + 1, H, W).

        pixels: (N, 3, H, W) in [0, 1], H and W multiples of 64; y_hat: (N, latent, H / 16, W / 16), quantised.
        """
        x = PIXEL_SCALE * pixels
        skipped = []
        for down in self.down:
            x = down(x)
            skipped.append(x)
        x = self.up[0](skipped.pop())
        for up in self.up[1:]:
            x = up(torch.cat([skipped.pop(), x], 1))
        latent = F.interpolate(activated(self.condition(y_hat)), size=x.shape[-2:])
        # In float32 even where the convolutions run in less: the sum is large beside differences between classes.
        return self.head(x).float() + (latent.float() * x.float()).sum(1, keepdim=True)


class Residual(nn.Module):
    """Two convolutions and a shortcut: what the blocks on both ways have in common."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = normalised(inputs, outputs, 3)
        self.conv2 = normalised(outputs, outputs, 3)
        self.conv_s = normalised(inputs, outputs, 1) if inputs != outputs else nn.Identity()


class Down(Residual):
    """Halves the sides. The first block sees pixels, which are not activated."""

    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__(inputs, outputs)
        self.first = first
        if first:
            for conv in (self.conv1, self.conv_s):
                conv.get_parameter("parametrizations.weight.original0").data /= PIXEL_SCALE

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H / 2, W / 2)."""
        inner = self.conv1(x if self.first else activated(x))
        # Averaging before the shortcut's 1x1 convolution gives what it gives after it, and costs a quarter.
        return self.conv_s(F.avg_pool2d(x, 2)) + F.avg_pool2d(self.conv2(activated(inner)), 2)


class Up(Residual):
    """Doubles the sides."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, 2 H, 2 W)."""
        inner = self.conv1(F.interpolate(activated(x), scale_factor=2))
        return F.interpolate(self.conv_s(x), scale_factor=2) + self.conv2(activated(inner))


def normalised(inputs: int, outputs: int, kernel: int) -> nn.Module:
    """Return a convolution that keeps the sides, its weights normalised (Salimans and Kingma, 2016)."""
    return weight_norm(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


def activated(x: Tensor) -> Tensor:
    """Return LeakyReLU of slope 0.2."""
    return F.leaky_relu(x, 0.2)
