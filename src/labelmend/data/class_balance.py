"""Class-balanced sampling of an epoch."""

from __future__ import annotations

import numpy as np


def class_balanced_epoch(
    labels: np.ndarray, num_classes: int, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw an epoch of samples with equal numbers from each class, without repetition.

    The sampling of Clothing1M in DivideMix (Li et al., ICLR 2020): every epoch takes an equal share of
    each (given) class. Each class gives ``count // C`` samples, and ``count % C`` classes, drawn at
    random, give one more; a class with fewer samples gives all it has, and the epoch is that much
    shorter.

    Args:
        labels: int array of shape (N,), class of each sample in 0..C-1.
        num_classes: C.
        count: samples wanted.
        generator: source of the draws.

    Returns:
        int64 array of at most ``count`` sample positions, in random order.
    """
    shares = np.full(num_classes, count // num_classes)
    shares[generator.permutation(num_classes)[: count % num_classes]] += 1
    drawn = [
        generator.permutation(np.flatnonzero(labels == label))[:share] for label, share in enumerate(shares)
    ]
    return generator.permutation(np.concatenate(drawn)).astype(np.int64)
