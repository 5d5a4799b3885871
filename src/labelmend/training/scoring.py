"""Evaluation-mode passes over many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from labelmend.data.image_set import Images
from labelmend.methods.base import Scores
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.models.frozen import use_heads
from labelmend.models.modes import evaluating
from labelmend.training.arithmetic import Arithmetic

SCORING_BATCH = 500
FULL_BATCH_UP_TO = 64

Probabilities = Callable[[Tensor], Tensor]
"""From the outputs of a network (B, K) to class probabilities (B, C)."""

View = Callable[[Tensor], Tensor]
"""From uint8 images (B, H, W, channels) to normalised ones (B, channels, H, W), or from stored features
(B, V, d) to those of one view (B, d)."""


def area_factor(image_size: int) -> float:
    """Factor on numbers of images that keeps memory level: 1 up to 64 px, then falling with the area."""
    return (FULL_BATCH_UP_TO / max(image_size, FULL_BATCH_UP_TO)) ** 2


@dataclass(frozen=True)
class Pass:
    """What a network makes of some images.

    Attributes:
        index: int64 (B,), which they are.
        inputs: (B, channels, H, W) or (B, d), as the network saw them.
        logits: float32 (B, K).
        features: (B, d).
    """

    index: Tensor
    inputs: Tensor
    logits: Tensor
    features: Tensor


@torch.no_grad()
def passes(
    network: Classifier | Ensemble,
    images: Images,
    view: View,
    arithmetic: Arithmetic,
    fold_of: Tensor | None = None,
) -> Iterator[Pass]:
    """Run a network over all images, in order, in evaluation mode; the modes of its parts are restored.

    Args:
        network: what is run.
        images: N images.
        view: prepares a batch of them.
        arithmetic: device, precision and memory format.
        fold_of: int64 (N,), the head that each image is scored by, where the network has several.
    """
    count, side = images.shape[:2]
    batch_size = max(16, int(SCORING_BATCH * area_factor(side)))
    with evaluating(network):
        for index in torch.arange(count).split(batch_size):
            inputs = arithmetic.place_images(view(images.gather(index)))
            use_heads(network, None if fold_of is None else fold_of[index])
            with arithmetic.autocast():
                features = network.features(inputs)
                logits = network.head(features).float()
            yield Pass(index, inputs, logits, features)
        use_heads(network, None)


@torch.no_grad()
def score_images(
    network: Classifier | Ensemble,
    images: Images,
    view: View,
    arithmetic: Arithmetic,
    probabilities: Probabilities,
    flip_average: bool = False,
    fold_of: Tensor | None = None,
) -> Scores:
    """Probabilities and features of every image, in order.

    Args:
        network: scored in evaluation mode; its mode is restored.
        images: N images.
        view: prepares a batch of them: the normalisation of the training images, or random views.
        arithmetic: device, precision and memory format.
        probabilities: of the outputs of the network.
        flip_average: average the probabilities over each image and its mirror image; the features
            are those of the image itself.
        fold_of: as for ``passes``.

    Returns:
        Scores on the CPU.
    """
    count = images.shape[0]
    features, shares = torch.empty(count, network.feature_dim), torch.empty(0)
    for each in passes(network, images, view, arithmetic, fold_of):
        p = probabilities(each.logits)
        if flip_average:
            with arithmetic.autocast():
                mirrored = network(each.inputs.flip(3)).float()
            p = (p + probabilities(mirrored)) / 2
        if not len(shares):
            shares = torch.empty(count, p.shape[1])
        shares[each.index], features[each.index] = p.cpu(), each.features.float().cpu()
    return Scores(shares, features)


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest probability is at the label, in [0, 1]."""
    return float((probabilities.argmax(1) == labels).double().mean())
