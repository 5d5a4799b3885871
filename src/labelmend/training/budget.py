"""How much of the budget is spent."""

from __future__ import annotations

from dataclasses import dataclass

from labelmend.config import BudgetSettings


@dataclass
class Spent:
    """What a run has used so far.

    Attributes:
        epochs: whole and part epochs.
        flops: counted operations.
        seconds: of training, selecting and judging, but not of scoring the test set.
        reserved: seconds that judging all samples at the end will take, estimated.
    """

    epochs: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0
    reserved: float = 0.0


def share_spent(budget: BudgetSettings, spent: Spent) -> float:
    """Share of the budget that is spent, in [0, 1]; 1 means stop.

    Raises:
        SettingsError: If the budget has no rule.
    """
    minutes = (spent.seconds + spent.reserved) / 60
    used = {"epochs": spent.epochs, "flops": spent.flops, "minutes": minutes}[budget.rule]
    total = getattr(budget, budget.rule)
    # Sums of step fractions fall short of a whole by rounding; a billionth of the budget is no step.
    return 1.0 if used >= total * (1 - 1e-9) else float(used / total)
