"""Where a run is among the stages of its method."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labelmend.errors import SettingsError
from labelmend.methods.plan import Stage

# Sums of step fractions fall short of a whole by rounding; a billionth of the budget is no step.
SLACK = 1e-9


class Course:
    """The stages of a run as spans of its budget.

    Args:
        stages: in order; their shares add up to 1.

    Raises:
        SettingsError: If a share is not above 0, or they do not add up to 1.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        shares = [stage.share for stage in stages]
        if not stages or min(shares) <= 0 or abs(math.fsum(shares) - 1) > 1e-6:
            raise SettingsError(
                f"the stages of the method take shares {shares} of the budget; each must be above 0, and "
                "they must add up to 1"
            )
        self.stages = tuple(stages)
        self.ends = [math.fsum(shares[: i + 1]) for i in range(len(shares) - 1)] + [1.0]

    def stage_at(self, share: float) -> int:
        """Number of the stage that is under way when ``share`` of the budget is spent."""
        return next((i for i, end in enumerate(self.ends) if share < end - SLACK), len(self.ends) - 1)

    def span(self, stage: int) -> tuple[float, float]:
        """Start and end of a stage, in shares of the budget."""
        return (self.ends[stage - 1] if stage else 0.0), self.ends[stage]

    def schedule_span(self, stage: int) -> tuple[float, float]:
        """Start and end of the stages around one that share its optimisers and learning-rate schedule."""
        starts = [i for i, each in enumerate(self.stages) if i == 0 or each.restarts]
        first = max(i for i in starts if i <= stage)
        following = [i for i in starts if i > stage]
        return self.span(first)[0], (self.span(following[0])[0] if following else 1.0)


def within(share: float, span: tuple[float, float]) -> float:
    """Share of a span that is spent, in [0, 1], when ``share`` of the budget is."""
    start, end = span
    return min(max((share - start) / (end - start), 0.0), 1.0)
