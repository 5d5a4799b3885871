"""The semi-supervised loss, eq. 3, and its parts."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """``L_CE``: mean over samples of ``-sum_c q_c log p_c``.

    Args:
        logits: (B, C).
        targets: q, (B, C), rows sum to 1.

    Returns:
        Scalar, 0 or more.
    """
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def mse_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """``L_MSE``: mean over samples and classes of ``(p_c - q_c)^2``.

    Args:
        logits: (B, C).
        targets: q, (B, C), rows sum to 1.

    Returns:
        Scalar in [0, 2 / C].
    """
    return (torch.softmax(logits, dim=1) - targets).square().mean()


def semi_loss(logits: Tensor, targets: Tensor, num_labelled: int, lambda_mse: float) -> Tensor:
    """``L_SSL = L_CE + lambda_MSE L_MSE``, eq. 3; an empty part counts 0.

    Args:
        logits: (B, C), labelled samples first.
        targets: q, (B, C), rows sum to 1.
        num_labelled: how many rows are labelled.
        lambda_mse: weight of the unlabelled part, 0 or more.

    Returns:
        Scalar.
    """
    loss = logits.new_zeros(())
    if num_labelled > 0:
        loss = loss + soft_cross_entropy(logits[:num_labelled], targets[:num_labelled])
    if num_labelled < len(logits):
        loss = loss + lambda_mse * mse_loss(logits[num_labelled:], targets[num_labelled:])
    return loss


def weighted_cross_entropy(logits: Tensor, targets: Tensor, num_labelled: int, weight: float) -> Tensor:
    """Mean over all samples of ``-sum_c q_c log p_c``, each unlabelled one weighted.

    Unlike in ``semi_loss``, every sample counts alike whatever the sizes of the two parts.

    Args:
        logits: (B, C), labelled samples first.
        targets: q, (B, C), rows sum to 1.
        num_labelled: how many rows are labelled.
        weight: of each other row, 0 or more.

    Returns:
        Scalar, 0 or more.
    """
    each = -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return (each[:num_labelled].sum() + weight * each[num_labelled:].sum()) / max(len(each), 1)


def ramp_up(step: float, start: float, length: float) -> float:
    """Linear rise from 0 at ``start`` to 1 at ``start + length``, in [0, 1].

    Args:
        step: where training is, in any unit (epochs, share of the budget).
        start: where the rise begins, in the same unit.
        length: of the rise; 0 jumps to 1 at ``start``.
    """
    if length <= 0:
        return float(step >= start)
    return min(max((step - start) / length, 0.0), 1.0)


def uniform_prior(given_labels: Tensor, num_classes: int) -> Tensor:
    """The same probability for each class that any sample is given, (C,); 0 for the others.

    Args:
        given_labels: int64 (N,), N >= 1.
        num_classes: C.
    """
    given = (torch.bincount(given_labels, minlength=num_classes) > 0).float()
    return given / given.sum()


def prior_penalty(logits: Tensor, prior: Tensor) -> Tensor:
    """``sum_c pi_c log(pi_c / mean_batch p_c)``: keeps a network from forgetting classes (DivideMix).

    Args:
        logits: (B, C).
        prior: pi, (C,), sums to 1.

    Returns:
        Scalar, 0 or more; 0 where the mean prediction is the prior.
    """
    # The mean in log space: the logarithm of an underflowed probability would be infinite.
    log_mean = torch.logsumexp(functional.log_softmax(logits, dim=1), dim=0) - math.log(len(logits))
    penalty: Tensor = torch.special.xlogy(prior, prior).sum() - (prior * log_mean).sum()
    return penalty


def negative_entropy(logits: Tensor) -> Tensor:
    """Mean over samples of ``sum_c p_c log p_c``: the confidence penalty (Pereyra et al., 2017; DivideMix).

    Args:
        logits: (B, C).

    Returns:
        Scalar in [-log C, 0], low = unsure.
    """
    log_p = functional.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1).mean()
