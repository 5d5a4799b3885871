"""Plain cross-entropy on the given labels: the control that every robust method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings
from labelmend.methods.base import Batch, Method
from labelmend.methods.plan import Progress
from labelmend.semi.losses import soft_cross_entropy


@dataclass
class CrossEntropySettings(MethodSettings):
    """Plain cross-entropy has no settings of its own."""

    name: ClassVar[str] = "ce"


class CrossEntropy(Method):
    """``H(g(f(x)), y~)`` on one weak view of each image."""

    Settings: ClassVar[type[MethodSettings]] = CrossEntropySettings

    def targets(self, batch: Batch) -> Tensor:
        """Smoothed given labels of the batch, (B, C), on the device."""
        return self.smoothed_labels(batch)

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy of one step."""
        logits = self.task.networks[0](batch.view())
        return soft_cross_entropy(logits.float(), self.targets(batch))
