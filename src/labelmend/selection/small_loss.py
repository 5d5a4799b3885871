"""The samples of smallest loss, in a batch and of all."""

from __future__ import annotations

import torch
from torch import Tensor


def small_loss(losses: Tensor, share: float, trusted: Tensor) -> Tensor:
    """Positions of the ``floor(share B)`` smallest of B losses, at least one, and of the trusted samples.

    Args:
        losses: (B,).
        share: in [0, 1].
        trusted: bool (B,), samples that are kept whatever their loss.

    Returns:
        int64, the smallest first; ties by position.
    """
    # 1 - 0.8 is a little less than 0.2, of which rounding must not cost a sample.
    count = max(int(share * len(losses) + 1e-9), 1)
    order = torch.argsort(losses.detach(), stable=True)
    kept = trusted[order]
    kept[:count] = True
    return order[kept]


def keep_share(share: float, forget_rate: float, ramp: float) -> float:
    """``R(t) = 1 - tau min(t / T_k, 1)``, the share of each batch that is kept (Co-teaching).

    Args:
        share: t, share of the budget that is spent.
        forget_rate: tau, in [0, 1).
        ramp: T_k, share of the budget over which the share that is left out rises; 0 for at once.
    """
    return 1 - forget_rate * (min(share / ramp, 1.0) if ramp > 0 else 1.0)


def exchanged_mean(first: Tensor, second: Tensor, share: float, trusted: Tensor) -> Tensor:
    """Loss of two networks, each on the samples that the other finds easiest (Co-teaching).

    Args:
        first: losses of the first network, (B,).
        second: losses of the second network on the same samples, (B,).
        share: of the samples that are kept, in [0, 1].
        trusted: bool (B,), samples that both learn whatever their loss.

    Returns:
        Scalar, the sum of both means.
    """
    of_first, of_second = (small_loss(losses, share, trusted) for losses in (second, first))
    return first[of_first].mean() + second[of_second].mean()


def small_loss_set(losses: Tensor, share: float, trusted: Tensor) -> Tensor:
    """Which of all samples such a rule keeps, and those whose label is trusted.

    Args:
        losses: (N,).
        share: of the samples that are kept, in [0, 1].
        trusted: bool (N,).

    Returns:
        bool (N,).
    """
    kept = torch.zeros_like(trusted)
    kept[small_loss(losses, share, trusted)] = True
    return kept
