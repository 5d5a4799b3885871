"""Sharpening of class probabilities."""

from __future__ import annotations

import torch
from torch import Tensor


def sharpen(p: Tensor, temperature: float) -> Tensor:
    """``p_c^(1/T) / sum_k p_k^(1/T)`` (MixMatch, used in section 3.4).

    Args:
        p: probabilities (B, C), rows sum to 1.
        temperature: T above 0; 1 changes nothing, low = sharper.

    Returns:
        (B, C), rows sum to 1.
    """
    # As a softmax of logarithms, so that a small T underflows to 0 and not to 0/0.
    return torch.softmax(p.log() / temperature, dim=1)
