"""Refined labels of labelled samples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.semi.sharpen import sharpen


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


def label_weights(
    easiness: Tensor, corrected: Tensor, vote_share: Tensor, given_labels: Tensor, trusted: Tensor
) -> Tensor:
    """Trust in the label of each labelled sample (section 3.4).

    Easiness where the label was kept without a vote; the vote share where anchors voted, or easiness if that is
    larger and they confirmed the given label; 1 for trusted labels.

    Args:
        easiness: (B,) in [0, 1].
        corrected: int64 (B,), label voted for, -1 where there was no vote.
        vote_share: (B,) in [0, 1], share of the votes for ``corrected``.
        given_labels: int64 (B,).
        trusted: bool (B,).

    Returns:
        (B,) in [0, 1].
    """
    confirmed = corrected == given_labels
    of_vote = torch.where(confirmed, torch.maximum(easiness, vote_share), vote_share)
    weight = torch.where(corrected >= 0, of_vote, easiness)
    return torch.where(trusted, torch.ones_like(weight), weight)
