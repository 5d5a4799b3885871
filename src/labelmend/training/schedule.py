"""The learning rate as a function of the share of the budget that is spent."""

from __future__ import annotations

import math


def lr_factor(share: float, warmup: float, schedule: str) -> float:
    """Factor on the peak learning rate.

    Args:
        share: share of the budget that is spent, in [0, 1].
        warmup: share over which the factor rises linearly from 0 to 1.
        schedule: ``linear`` or ``cosine`` to 0, or ``step`` (a tenth from half-way on).

    Returns:
        A number in [0, 1].
    """
    if share < warmup:
        return share / warmup
    rest = min((share - warmup) / (1 - warmup), 1.0)
    if schedule == "linear":
        return 1 - rest
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    return 1.0 if share < 0.5 else 0.1
