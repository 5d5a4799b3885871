"""An estimate of the share of wrong labels, without knowing any true label."""

from __future__ import annotations

import torch
from torch import Tensor


def estimate_noise_rate(probabilities: Tensor, given_labels: Tensor) -> float:
    """Share of samples that the confident joint puts off its diagonal.

    A sample counts towards class c when its probability of c reaches the mean that samples *given* c
    have of it; of several such classes the most probable one counts. The rate is the share of counted
    samples whose class is not their given label (Northcutt et al., "Confident Learning", JAIR 2021,
    section 3.1).

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,).

    Returns:
        The estimated noise rate, in [0, 1].
    """
    num_classes = probabilities.shape[1]
    own = probabilities.gather(1, given_labels[:, None])[:, 0].double()
    counts = torch.bincount(given_labels, minlength=num_classes)
    sums = torch.bincount(given_labels, weights=own, minlength=num_classes)
    thresholds = torch.where(counts > 0, sums / counts.clamp(min=1), torch.inf)
    confident = probabilities >= thresholds
    counted = confident.any(1)
    if not counted.any():
        return 0.0
    best = torch.where(confident, probabilities, -1.0).argmax(1)
    return float((best != given_labels)[counted].double().mean())
