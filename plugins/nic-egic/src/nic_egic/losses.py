"""The adversarial losses of EGIC, and how good a segmenter its discriminator is."""

import torch
import torch.nn.functional as F
from nic_nn.training.batch import SampleRandom
from torch import Tensor

VOID = 0
"""The class of pixels that nobody annotated."""


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of a batch's pixels: a scalar.

    Each picture's is the sum of its pixels' weighted cross-entropies over the number of those above 0, of which void
    pixels are none; 0 where all are void. The batch's is the mean of its pictures'. So it is in the authors' DeepLab2
    configuration: no label smoothing, all pixels and not just the hardest (top_k_percent 1), and the weights not
    normalised away.

    logits: (N, K, H, W); labels: (N, H, W) int64 below K; weights: (N, H, W), 3 in instances of fewer than 4096
    pixels of the crop and 1 elsewhere for the authors; None for 1. For reconstructions all labels are K - 1.
    """
    losses = F.cross_entropy(logits.float(), labels, ignore_index=VOID, reduction="none")
    if weights is not None:
        losses = losses * weights
    counted = (losses > 0).flatten(1).sum(1)
    return (losses.flatten(1).sum(1) / counted.clamp(min=1)).mean()


def labelmix_mask(labels: Tensor, random: SampleRandom) -> Tensor:
    """Return where a mixture shows the picture (True) and where its reconstruction: (N, 1, H, W) bool.

    Each class of each picture, void included, is tossed for on its own (Sushko et al., ICLR 2021). The
    authors' code tosses once for the whole batch, and again for all that is already 0 or 1 when it comes to the
    classes 0 and 1.

    labels: (N, H, W) int64. random: the samples' numbers; a class gets the same whatever else is in the batch.
    """
    block = 256  # always as many numbers at once: a sequence's values depend on that
    numbers = torch.cat([random.uniform(block) for _ in range(int(labels.max()) // block + 1)], 1)
    return (numbers < 0.5).gather(1, labels.flatten(1)).view(labels.shape)[:, None]


def labelmix_loss(mask: Tensor, of_mixed: Tensor, of_fake: Tensor, of_real: Tensor) -> Tensor:
    """Return the mean squared difference of a mixture's logits and the mixture of the logits: a scalar.

    mask: as `labelmix_mask` returns it; the others: logits (N, K, H, W) of the mixture, the reconstruction and the
    picture. All logits of all pixels count, void and fake included, and gradients go to all three.
    """
    return F.mse_loss(of_mixed.float(), torch.where(mask, of_real, of_fake).float())


def segment(logits: Tensor) -> Tensor:
    """Return the most likely class of each pixel that is neither void nor fake: (N, H, W) from (N, K, H, W)."""
    return logits[:, 1:-1].argmax(1) + 1


def confusion_matrix(found: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Count the pixels of each class (rows) by the class that was found (columns); add such matrices up for a set.

    found, labels: of one shape, int64 below `classes`. Returns (classes, classes) int64.
    """
    return (labels.flatten() * classes + found.flatten()).bincount(minlength=classes**2).view(classes, classes)


def mean_iou(confusion: Tensor) -> float:
    """Return the mean, over the classes that occur, of intersection over union; nan where none occurs.

    Pixels labelled void do not count.
    """
    counts = confusion.clone()
    counts[VOID] = 0
    pixels = counts.sum(1)
    hits = counts.diagonal()
    occurs = pixels > 0
    return float((hits / (pixels + counts.sum(0) - hits))[occurs].mean())


def of_majority(confusion: Tensor) -> Tensor:
    """Return the confusion matrix of always finding the class that has most of the pixels that are not void."""
    pixels = confusion.sum(1)
    counts = torch.zeros_like(confusion)
    counts[:, int(pixels[1:].argmax()) + 1] = pixels
    return counts
