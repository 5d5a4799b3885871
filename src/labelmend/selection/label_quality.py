"""How far the given label of each sample can be believed."""

from __future__ import annotations

import torch
from torch import Tensor


def label_quality(
    probabilities: Tensor, given_labels: Tensor, corrected: Tensor, given_share: Tensor
) -> Tensor:
    """Score of each given label: the model's probability of it, averaged with the anchors' where they voted.

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,).
        corrected: int64 (N,), label voted for, -1 where there was no vote.
        given_share: (N,) in [0, 1], share of the votes for the given label.

    Returns:
        float32 (N,) in [0, 1], low = suspicious.
    """
    own = probabilities.gather(1, given_labels[:, None])[:, 0].float()
    return torch.where(corrected >= 0, (own + given_share.float()) / 2, own)
