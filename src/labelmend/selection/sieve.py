"""The sieve that keeps a given label where it is far likelier than the average class (CORES2, CAL)."""

from __future__ import annotations

from torch import Tensor

# Smallest probability whose logarithm is taken, as in the released code of CAL.
SMALLEST = 1e-8


def sieve(probabilities: Tensor, given_labels: Tensor, threshold: float) -> Tensor:
    """Whether ``-log p_y~ - mean_c (-log p_c)`` is below a threshold.

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,).
        threshold: 0 keeps labels that are likelier than the geometric mean of all; lower is stricter.

    Returns:
        bool (N,), True = kept.
    """
    losses = -(probabilities + SMALLEST).log()
    return losses.gather(1, given_labels[:, None])[:, 0] - losses.mean(1) < threshold
