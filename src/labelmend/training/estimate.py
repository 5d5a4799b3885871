"""About how long a run will take, for a person who waits; nothing is chosen by it."""

from __future__ import annotations

from labelmend.config import BudgetSettings


def seconds_left(
    budget: BudgetSettings, share: float, *, images: int, networks: int, speed: float, flops_per_image: float
) -> float:
    """Seconds that what is left of a budget will take, selections and scoring not counted.

    Args:
        budget: of the run.
        share: of it that is spent, in [0, 1].
        images: of an epoch.
        networks: that are trained on each image.
        speed: images a second that one network is trained on.
        flops_per_image: operations of a forward and backward pass of one network on one image.
    """
    whole = {
        "minutes": 60.0 * (budget.minutes or 0),
        "epochs": (budget.epochs or 0) * images * networks / speed,
        "flops": (budget.flops or 0) / flops_per_image / speed,
    }
    return whole[budget.rule] * (1 - share)
