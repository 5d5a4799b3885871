"""Refined labels of labelled samples."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from labelmend.ssl.sharpen import sharpen


def refine_labels(labels: Tensor, weight: Tensor, guess: Tensor, temperature: float) -> Tensor:
    """``sharpen(w onehot(y) + (1 - w) guess, T)`` (section 3.4).

    Args:
        labels: int64 (B,), given or corrected labels, in [0, C).
        weight: (B,) in [0, 1], trust in the label: easiness, or the vote share of a corrected one.
        guess: (B, C), mean prediction on the views of each image, rows sum to 1.
        temperature: T above 0.

    Returns:
        (B, C), rows sum to 1.
    """
    weight = weight.to(guess.dtype)[:, None]
    onehot = functional.one_hot(labels, guess.shape[1]).to(guess.dtype)
    return sharpen(weight * onehot + (1 - weight) * guess, temperature)
