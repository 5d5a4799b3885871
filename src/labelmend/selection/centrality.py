"""How near a sample lies to the centre of its given class (TSCSI)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def class_centres(features: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Directions of the mean of the normalised features predicted as each class.

    Args:
        features: (N, d), of any length.
        predicted: int64 (N,).
        num_classes: C.

    Returns:
        (C, d), of length 1; 0 for a class that is never predicted.
    """
    sums = torch.zeros(num_classes, features.shape[1], dtype=features.dtype, device=features.device)
    sums.index_add_(0, predicted, functional.normalize(features, dim=1))
    return functional.normalize(sums, dim=1)


def centrality(features: Tensor, predicted: Tensor, given_labels: Tensor, num_classes: int) -> Tensor:
    """Cosine of each feature to the centre of its given class.

    Args:
        features: (N, d), of any length.
        predicted: int64 (N,), classes by which centres are formed.
        given_labels: int64 (N,).
        num_classes: C.

    Returns:
        (N,), in [-1, 1], high = clean.
    """
    centres = class_centres(features, predicted, num_classes)
    return (functional.normalize(features, dim=1) * centres[given_labels]).sum(1)
