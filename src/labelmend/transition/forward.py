"""Forward correction: the loss of the labels that the noise makes of the predicted classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def forward_loss(logits: Tensor, given_labels: Tensor, transition: Tensor) -> Tensor:
    """``-log (T^T p)_y~`` of each sample (Patrini et al., CVPR 2017); cross-entropy where T is the identity.

    Args:
        logits: (B, C), of the true class; p is their softmax.
        given_labels: int64 (B,).
        transition: T[true, given], (C, C), row-stochastic.

    Returns:
        (B,), 0 or more.
    """
    # In log space: a probability that underflows would have no gradient.
    joint = functional.log_softmax(logits, dim=1) + transition[:, given_labels].T.log()
    return -torch.logsumexp(joint, dim=1)
