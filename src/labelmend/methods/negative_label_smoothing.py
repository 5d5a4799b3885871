"""Negative label smoothing: after a warm-up, labels are sharpened past one instead of smoothed.

Wei et al., "To Smooth or Not? When Label Smoothing Meets Noisy Labels", ICML 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, smooth
from labelmend.methods.plan import OptimizerPlan, Progress, Schedule, Stage
from labelmend.semi.losses import soft_cross_entropy


@dataclass
class NegativeLabelSmoothingSettings(MethodSettings):
    """Settings of negative label smoothing."""

    name: ClassVar[str] = "negative_label_smoothing"
    RANGES: ClassVar = {
        "rate": Range(high=1, high_open=True),
        "warmup": Range(0, 1, high_open=True),
        "tuning_lr": Range(0, low_open=True),
    }

    rate: float = -1.0
    """r: share of each given label that is spread over the classes; below 0 it is taken from them."""
    warmup: float = 0.7
    """Share of the budget for cross-entropy on the given labels before r counts; 0 for none."""
    tuning_lr: float = 1e-3
    """Learning rate after the warm-up, held constant: for r < 0 the loss has no least value."""


class NegativeLabelSmoothing(Method):
    """``(1 - r) H(y~, p) + r / C sum_c H(c, p)`` from a network that cross-entropy has warmed up."""

    Settings: ClassVar[type[MethodSettings]] = NegativeLabelSmoothingSettings
    settings: NegativeLabelSmoothingSettings
    refuses_smoothing: ClassVar[str] = "has --rate; give only that"

    def stages(self) -> Sequence[Stage]:
        """Warm-up, and the tuning of what it leaves."""
        warmup = self.settings.warmup
        return (Stage(warmup), Stage(1 - warmup, restart=True)) if warmup > 0 else (Stage(),)

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """As the run's settings say in the warm-up; slow and constant in the tuning after it."""
        if not self.tunes(stage):
            return super().optimizers(stage)
        constant = Schedule("constant")
        return {
            "networks": OptimizerPlan.over(*self.task.networks, lr=self.settings.tuning_lr, schedule=constant)
        }

    def tunes(self, stage: int) -> bool:
        """Whether a stage follows a warm-up."""
        return self.settings.warmup > 0 and stage == 1

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean loss of one step: cross-entropy in the warm-up, r afterwards."""
        task, settings = self.task, self.settings
        rate = settings.rate if settings.warmup == 0 or self.tunes(progress.stage) else 0.0
        targets = smooth(task.given_labels[batch.index], task.num_classes, rate)
        return soft_cross_entropy(task.networks[0](batch.view()).float(), targets.to(task.device))
