"""The adversarial losses against the same sums written out, and what mean IoU is on counts that one can check."""

import math

import pytest
import torch
from nic_egic.losses import (
    confusion_matrix,
    labelmix_loss,
    labelmix_mask,
    mean_iou,
    of_majority,
    segment,
    segmentation_loss,
)
from nic_nn.training.batch import SampleRandom


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_segmentation_loss_is_that_of_the_authors():
    logits, labels = draw(2, 4, 2, 3), torch.tensor([[[0, 1, 2], [3, 0, 1]], [[1, 0, 0], [0, 0, 0]]])
    weights = torch.ones(2, 2, 3)
    weights[0, 0, 1] = 3
    pictures = []
    for n in range(2):
        losses = [
            weights[n, i, j] * (logits[n, :, i, j].exp().sum().log() - logits[n, labels[n, i, j], i, j])
            for i in range(2)
            for j in range(3)
            if labels[n, i, j]
        ]
        pictures.append(sum(losses) / len(losses))  # over the number of pixels, not over their weights
    assert segmentation_loss(logits, labels, weights) == pytest.approx(float(sum(pictures)) / 2, rel=1e-6)
    assert segmentation_loss(logits, labels) < segmentation_loss(logits, labels, weights)
    assert segmentation_loss(logits + 1e3, labels) == pytest.approx(float(segmentation_loss(logits, labels)), rel=1e-3)


def test_void_alone_is_no_loss_and_finite_gradients():
    logits = draw(2, 4, 8, 8).requires_grad_(True)
    loss = segmentation_loss(logits, torch.zeros(2, 8, 8, dtype=torch.int64), torch.full((2, 8, 8), 3.0))
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_void_pixels_teach_nothing():
    logits = draw(1, 4, 4, 4).requires_grad_(True)
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    labels[:, :2] = 0
    segmentation_loss(logits, labels).backward()
    assert logits.grad[:, :, :2].abs().max() == 0 and logits.grad[:, :, 2:].abs().min() > 0


def test_labelmix_tosses_for_each_class_of_each_picture():
    labels = torch.arange(4).repeat_interleave(16).view(1, 8, 8).repeat(200, 1, 1)
    mask = labelmix_mask(labels, SampleRandom(list(range(200)), "labelmix"))
    assert mask.shape == (200, 1, 8, 8) and mask.dtype == torch.bool
    tosses = mask.view(200, 4, 16)
    assert (tosses == tosses[..., :1]).all()
    assert ((tosses[..., 0].float().mean(0) - 0.5).abs() < 0.15).all()
    assert len(tosses[..., 0].unique(dim=0)) == 16  # each of the classes alone


def test_labelmix_of_a_picture_depends_on_its_key_alone():
    labels = torch.randint(0, 134, (3, 16, 16), generator=torch.Generator().manual_seed(0))
    together = labelmix_mask(labels, SampleRandom([5, 6, 7], "labelmix"))
    assert torch.equal(together[1:2], labelmix_mask(labels[1:2], SampleRandom([6], "labelmix")))
    beside_many = torch.cat([labels[1:2], torch.full((1, 16, 16), 300)])
    assert torch.equal(together[1:2], labelmix_mask(beside_many, SampleRandom([6, 9], "labelmix"))[:1])
    assert not torch.equal(together, labelmix_mask(labels, SampleRandom([5, 6, 8], "labelmix")))


def test_labelmix_loss_compares_logits_with_the_mixture_of_logits():
    mixed, fake, real = (draw(2, 4, 8, 8, seed=seed).requires_grad_(True) for seed in range(3))
    mask = draw(2, 1, 8, 8, seed=3) > 0
    wanted = ((mixed - (mask.float() * real + (1 - mask.float()) * fake)) ** 2).mean()
    loss = labelmix_loss(mask, mixed, fake, real)
    assert torch.allclose(loss, wanted) and loss > 0
    loss.backward()
    assert all(logits.grad.abs().max() > 0 for logits in (mixed, fake, real))
    assert labelmix_loss(mask, torch.where(mask, real, fake), fake, real) == 0


def test_mean_iou_is_over_the_classes_that_occur():
    labels = torch.tensor([[0, 0, 1, 1, 1, 1, 2, 2]])
    found = torch.tensor([[1, 2, 1, 1, 1, 2, 2, 3]])
    counts = confusion_matrix(found, labels, 5)
    assert counts.sum() == 8 and counts[1, 1] == 3 and counts[2, 3] == 1
    # Class 1: 3 of 4. Class 2: 1 of 3. Class 3 is found and does not occur.
    assert mean_iou(counts) == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert mean_iou(counts + confusion_matrix(labels, labels, 5)) == pytest.approx((7 / 8 + 3 / 5) / 2)
    # Class 1 has 4 of the 6 pixels that count.
    assert mean_iou(of_majority(counts)) == pytest.approx(4 / 6 / 2)
    assert mean_iou(confusion_matrix(labels, labels, 5)) == 1


def test_void_is_never_the_majority():
    labels = torch.tensor([0, 0, 0, 3])
    counts = confusion_matrix(torch.tensor([1, 1, 1, 1]), labels, 4)
    assert mean_iou(counts) == 0 and mean_iou(of_majority(counts)) == 1
    assert math.isnan(mean_iou(torch.zeros(4, 4, dtype=torch.int64)))


def test_segments_are_neither_void_nor_fake():
    logits = torch.tensor([9.0, 1.0, 2.0, 8.0]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    assert torch.equal(segment(logits), torch.full((1, 2, 2), 2))
