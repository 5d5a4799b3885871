"""The learning rate as a function of the share of the budget that is spent."""

from __future__ import annotations

import math

from labelmend.config import TrainingSettings
from labelmend.methods.plan import Schedule


def schedule_of(settings: TrainingSettings) -> Schedule:
    """The schedule that the settings of a run describe."""
    return Schedule(
        settings.lr_schedule,
        warmup=settings.lr_warmup,
        milestones=tuple(settings.lr_milestones),
        drop=settings.lr_drop,
    )


def lr_factor(share: float, schedule: Schedule) -> float:
    """Factor on the peak learning rate.

    Args:
        share: share of the schedule's span that is spent, in [0, 1].
        schedule: how the factor goes.

    Returns:
        A number in [0, 1].
    """
    if share < schedule.warmup:
        return share / schedule.warmup
    full = max(schedule.warmup, schedule.hold)
    rest = min(max((share - full) / (1 - full), 0.0), 1.0)
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "step":
        return schedule.drop ** -sum(share >= milestone for milestone in schedule.milestones)
    fallen = 1 - rest if schedule.kind == "linear" else 0.5 * (1 + math.cos(math.pi * rest))
    return schedule.floor + (1 - schedule.floor) * fallen
