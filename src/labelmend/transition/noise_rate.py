"""The share of wrong labels that a transition matrix implies."""

from __future__ import annotations

import torch
from torch import Tensor


def implied_noise_rate(transition: Tensor, given_labels: Tensor) -> float:
    """``1 - sum_c share_c T[c, c]``, the true classes being as frequent as the given labels.

    Args:
        transition: T[true, given], (C, C), row-stochastic.
        given_labels: int64 (N,), on the CPU.

    Returns:
        In [0, 1].
    """
    shares = torch.bincount(given_labels, minlength=len(transition)).double()
    kept = transition.detach().diagonal().cpu().double()
    return float(1 - (shares / shares.sum() * kept).sum())
