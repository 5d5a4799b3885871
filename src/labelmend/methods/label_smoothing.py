"""Label smoothing: a share of each given label is spread over all classes.

Lukasik et al., "Does Label Smoothing Mitigate Label Noise?", ICML 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, smooth
from labelmend.methods.plan import Progress
from labelmend.semi.losses import soft_cross_entropy


@dataclass
class LabelSmoothingSettings(MethodSettings):
    """Settings of label smoothing."""

    name: ClassVar[str] = "label_smoothing"
    RANGES: ClassVar = {"smoothing": Range(0, 1, high_open=True)}

    smoothing: float = 0.4
    """Share of each given label that is spread evenly over the classes; as much as the noise spreads it."""


class LabelSmoothing(Method):
    """Cross-entropy on smoothed given labels."""

    Settings: ClassVar[type[MethodSettings]] = LabelSmoothingSettings
    settings: LabelSmoothingSettings
    refuses_smoothing: ClassVar[str] = "has --smoothing; give only that"

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy of one step."""
        task = self.task
        targets = smooth(task.given_labels[batch.index], task.num_classes, self.settings.smoothing)
        return soft_cross_entropy(task.networks[0](batch.view()).float(), targets.to(task.device))
