"""A transition matrix that is learned with the network, kept small in volume (VolMinNet)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Of ten classes; the off-diagonal entries then sum to about one before rows are normalised.
FIRST_WEIGHT = -2.0
FIRST_WEIGHT_CLASSES = 10


def first_weight(num_classes: int) -> float:
    """Start of each free weight, such that the diagonal of T starts at about 0.48 from ten classes on.

    -2 for ten classes and about -4.5 for a hundred, as published; -2 for fewer, whose diagonal is then larger.
    """
    of_ten = 1 / (1 + math.exp(-FIRST_WEIGHT))
    entry = min(of_ten * (FIRST_WEIGHT_CLASSES - 1) / max(num_classes - 1, 1), of_ten)
    return math.log(entry / (1 - entry))


def volume_transition(weights: Tensor) -> Tensor:
    """``T``: ones on the diagonal, ``sigmoid(w)`` off it, rows divided by their sums (Li et al., ICML 2021).

    Args:
        weights: w, (C, C); the diagonal is not used.

    Returns:
        T[true, given], (C, C), row-stochastic; the diagonal is the largest entry of each row.
    """
    eye = torch.eye(len(weights), device=weights.device, dtype=weights.dtype)
    raw = eye + torch.sigmoid(weights) * (1 - eye)
    return raw / raw.sum(1, keepdim=True)


def log_volume(transition: Tensor) -> Tensor:
    """``log |det T|``, 0 or less for a row-stochastic T; the penalty of VolMinNet is a multiple of it."""
    return torch.linalg.slogdet(transition).logabsdet
