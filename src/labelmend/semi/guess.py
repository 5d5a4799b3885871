"""Guessed labels of unlabelled samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def average_guess(probabilities: Sequence[Tensor]) -> Tensor:
    """Mean of the predictions on the augmented views of the same images (section 3.4).

    Args:
        probabilities: one (B, C) tensor a view, rows sum to 1.

    Returns:
        (B, C), rows sum to 1.
    """
    return torch.stack(list(probabilities)).mean(dim=0)
