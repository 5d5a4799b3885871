"""Cross-entropy with mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Task
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.methods.plan import Progress
from labelmend.semi.losses import soft_cross_entropy
from labelmend.semi.mixup import mixed_at_random

WARMUP_ALPHA = 1.0


@dataclass
class MixupSettings(MethodSettings):
    """Settings of cross-entropy with mixup."""

    name: ClassVar[str] = "mixup"
    RANGES: ClassVar = {"alpha": Range(low=0), "warmup": Range(0, 1)}

    alpha: float = 1.0
    """Parameter of Beta(alpha, alpha), from which each step draws its mixing coefficient."""
    strong_views: bool = False
    """Whether the network learns on strong views, as ``mend`` does after its warm-up."""
    warmup: float = 0.0
    """Share of the budget with weak views and alpha 1 first: a control for what ``mend`` does beside."""


def mixup_loss(task: Task, images: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """Mean cross-entropy of the first network on mixed images and targets."""
    images, targets = mixed_at_random(images, targets, alpha, task.generator)
    return soft_cross_entropy(task.networks[0](images).float(), targets)


class Mixup(CrossEntropy):
    """Cross-entropy on convex combinations of pairs of images and of their given labels."""

    Settings: ClassVar[type[MethodSettings]] = MixupSettings
    settings: MixupSettings

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy of one step."""
        settings = self.settings
        if progress.share < settings.warmup:
            return mixup_loss(self.task, batch.view(), self.targets(batch), WARMUP_ALPHA)
        images = batch.view(strong=settings.strong_views)
        return mixup_loss(self.task, images, self.targets(batch), settings.alpha)
