"""How much of the budget is spent."""

from __future__ import annotations

from dataclasses import dataclass

from labelmend.config import BudgetSettings


@dataclass
class Spent:
    """What a run has used so far: whole and part epochs, counted operations, seconds."""

    epochs: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0


def share_spent(budget: BudgetSettings, spent: Spent) -> float:
    """Share of the budget that is spent, in [0, 1]; 1 means stop.

    Raises:
        SettingsError: If the budget has no rule.
    """
    used = {"epochs": spent.epochs, "flops": spent.flops, "minutes": spent.seconds / 60}[budget.rule]
    total = getattr(budget, budget.rule)
    # Sums of step fractions fall short of a whole by rounding; a billionth of the budget is no step.
    return 1.0 if used >= total * (1 - 1e-9) else float(used / total)
