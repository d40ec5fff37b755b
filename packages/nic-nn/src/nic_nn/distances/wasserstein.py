"""How different two pictures look, without a trained network: local statistics of oriented band-pass responses.

Wasserstein distortion (Qiu, Balle et al., "Wasserstein Distortion: Unifying Fidelity and Realism", 2023, section III)
compares the distributions of features in a window around every position by their means and standard deviations: what
has the right texture is near, though it is not the same to a pixel. The features are those of a fixed pyramid here.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

ORIENTATIONS = 4
TAPS = 9
WINDOW, STRIDE = 8, 4
"""Of the windows that statistics are taken in, in pixels of a scale."""
LEAST = (0.25 / 255) ** 2
"""Added to variances, which keeps the slope of their roots finite: a quarter of a step of 8 bits."""


def wasserstein(x_hat: Tensor, x: Tensor, scales: int = 4) -> Tensor:
    """Return the distortion of pictures (N, 3, H, W) in [0, 1], by scale: (N, scales), finest first.

    ValueError for sides that leave the coarsest scale no window.
    """
    if min(x.shape[2:]) < WINDOW << (scales - 1):
        raise ValueError(f"{scales} scales need pictures of {WINDOW << (scales - 1)} pixels")
    with torch.autocast(x.device.type, enabled=False):
        ours, theirs = (_opponents(pixels.float()) for pixels in (x_hat, x))
        found = []
        for scale in range(scales):
            if scale:
                ours, theirs = _halved(ours), _halved(theirs)
            (mean, spread), (wanted_mean, wanted_spread) = map(_statistics, (ours, theirs))
            distance = (mean - wanted_mean).square() + (spread - wanted_spread).square()
            found.append(distance.flatten(1).mean(1))
        return torch.stack(found, 1)


def _opponents(x: Tensor) -> Tensor:
    """Return brightness and two opponent colours (3N, 1, H, W); the colours weigh less, as they do to the eye."""
    matrix = x.new_tensor([[0.299, 0.587, 0.114], [-0.084, -0.166, 0.25], [0.25, -0.209, -0.041]])
    planes = torch.einsum("nchw,dc->ndhw", x, matrix)
    return planes.reshape(-1, 1, *x.shape[2:])


def _halved(x: Tensor) -> Tensor:
    """Return planes at half the size, without aliases: a binomial kernel of five taps each way."""
    taps = x.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = (taps[:, None] * taps)[None, None]
    return F.conv2d(F.pad(x, (2, 2, 2, 2), "replicate"), kernel, stride=2)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each filter's responses in windows: (N, 3 * filters, h, w) each."""
    filters = band_pass().to(x)
    responses = F.conv2d(F.pad(x, (TAPS // 2,) * 4, "replicate"), filters)
    count, channels = len(x) // 3, 3 * len(filters)
    responses = responses.reshape(count, channels, *x.shape[2:])
    window = _window().to(x).expand(channels, 1, WINDOW, WINDOW)
    mean = F.conv2d(responses, window, stride=STRIDE, groups=channels)
    square = F.conv2d(responses.square(), window, stride=STRIDE, groups=channels)
    return mean, ((square - mean.square()).clamp(min=0) + LEAST).sqrt()


@cache
def band_pass() -> Tensor:
    """Return the filters (2 * ORIENTATIONS, 1, TAPS, TAPS): even and odd Gabor functions of one octave, of no mean.

    The finest responds most to waves of four pixels, as a steerable pyramid's highest band does (Simoncelli and
    Freeman, 1995); scaled pictures give the lower bands. The sum of squares of each filter is 1.
    """
    place = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    envelope = torch.exp(-(x.square() + y.square()) / (2 * 1.8**2))
    made = []
    for number in range(ORIENTATIONS):
        angle = math.pi * number / ORIENTATIONS
        phase = 2 * math.pi / 4 * (x * math.cos(angle) + y * math.sin(angle))
        for wave in (phase.cos(), phase.sin()):
            made.append(envelope * (wave - (envelope * wave).sum() / envelope.sum()))
    filters = torch.stack(made)[:, None]
    return (filters / filters.square().sum((2, 3), keepdim=True).sqrt()).float()


@cache
def _window() -> Tensor:
    """Return a raised cosine over the window, of sum 1."""
    taps = torch.hann_window(WINDOW + 2, periodic=False, dtype=torch.float64)[1:-1]
    window = taps[:, None] * taps
    return (window / window.sum()).float()
