"""Which samples are easy: the class-balanced easy set of eq. 1, or a threshold on easiness."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from labelmend.config import require


def easy_set_sizes(given_labels: Tensor, num_classes: int, percent: float) -> Tensor:
    """Easy samples of each class, eq. 1: ``M_j = min(ceil(N * P% / C), N_j)``.

    The share of a class with too few samples is not given to the others.

    Args:
        given_labels: int64 (N,), the given labels, in [0, C).
        num_classes: C.
        percent: P in (0, 100]; the product is exact, so 60 % of 50,000 over 10 classes is 3,000.

    Returns:
        int64 (C,).

    Raises:
        SettingsError: If ``percent`` is out of range.
    """
    require(0 < percent <= 100, "easy_percent", percent, "above 0 and at most 100")
    cap = math.ceil(Fraction(str(percent)) * len(given_labels) / (100 * num_classes))
    return torch.bincount(given_labels, minlength=num_classes).clamp(max=cap)


def select_easy(
    given_labels: Tensor,
    easiness: Tensor,
    losses: Tensor,
    num_classes: int,
    percent: float,
    trusted: Tensor | None = None,
) -> Tensor:
    """Class-balanced easy set of section 3.1: the first ``M_j`` samples of each given class.

    Easiness saturates at 1 for many samples, so ranks are by (-easiness, loss, index).

    Args:
        given_labels: int64 (N,), in [0, C).
        easiness: (N,), high = easy.
        losses: (N,), low = easy.
        num_classes: C.
        percent: P of eq. 1, in (0, 100].
        trusted: bool (N,), samples that are members whatever their rank, beyond the sizes of eq. 1.

    Returns:
        bool (N,), True = easy.
    """
    sizes = easy_set_sizes(given_labels, num_classes, percent).cpu().numpy()
    labels = given_labels.cpu().numpy()
    keys = [losses.detach().cpu().numpy(), -easiness.detach().cpu().numpy(), labels]
    order = np.lexsort(keys)  # by the last key first, and stable: equal ones stay in index order
    starts = np.cumsum(np.bincount(labels, minlength=num_classes)) - np.bincount(
        labels, minlength=num_classes
    )
    ranked = labels[order]
    easy = np.zeros(len(labels), dtype=bool)
    easy[order[np.arange(len(labels)) - starts[ranked] < sizes[ranked]]] = True
    selected = torch.from_numpy(easy).to(given_labels.device)
    return selected if trusted is None else selected | trusted


def select_by_threshold(easiness: Tensor, threshold: float = 0.5) -> Tensor:
    """Easy set without class balancing (the paper on Clothing1M, DivideMix): easiness above a threshold.

    Args:
        easiness: (N,) in [0, 1], high = easy.
        threshold: samples strictly above it are easy.

    Returns:
        bool (N,), True = easy.
    """
    return easiness > threshold
