"""Evaluation-mode passes over many images."""

from __future__ import annotations

import torch
from torch import Tensor

from labelmend.data.image_set import Images
from labelmend.methods.base import Scores
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.views import Normalisation

SCORING_BATCH = 500
FULL_BATCH_UP_TO = 64


def area_factor(image_size: int) -> float:
    """Factor on numbers of images that keeps memory level: 1 up to 64 px, then falling with the area."""
    return (FULL_BATCH_UP_TO / max(image_size, FULL_BATCH_UP_TO)) ** 2


@torch.no_grad()
def score_images(
    network: Classifier | Ensemble,
    images: Images,
    normalisation: Normalisation,
    arithmetic: Arithmetic,
    flip_average: bool,
) -> Scores:
    """Probabilities and features of every image, in order, without augmentation.

    Args:
        network: scored in evaluation mode; its mode is restored.
        images: N images.
        normalisation: of the training images.
        arithmetic: device, precision and memory format.
        flip_average: average the probabilities over each image and its mirror image; the features
            are those of the image itself.

    Returns:
        Scores on the CPU.
    """
    count, side = images.shape[:2]
    batch_size = max(16, int(SCORING_BATCH * area_factor(side)))
    probabilities = torch.empty(count, network.num_outputs)
    features = torch.empty(count, network.feature_dim)
    training = network.training
    network.eval()
    for index in torch.arange(count).split(batch_size):
        batch = arithmetic.place_images(normalisation(images.gather(index)))
        with arithmetic.autocast():
            found = network.features(batch)
            p = network.head(found).float().softmax(1)
            if flip_average:
                p = (p + network(batch.flip(3)).float().softmax(1)) / 2
        probabilities[index] = p.cpu()
        features[index] = found.float().cpu()
    network.train(training)
    return Scores(probabilities, features)


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest probability is at the label, in [0, 1]."""
    return float((probabilities.argmax(1) == labels).double().mean())
