"""Co-teaching: two networks, each trained on what the other finds easy.

Han et al., "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels", NeurIPS 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method
from labelmend.methods.plan import Progress
from labelmend.selection.small_loss import exchanged_mean, keep_share


@dataclass
class CoTeachingSettings(MethodSettings):
    """Settings of Co-teaching."""

    name: ClassVar[str] = "co_teaching"
    RANGES: ClassVar = {
        "forget_rate": Range(0, 1, high_open=True),
        "forget_ramp": Range(0, 1),
    }

    forget_rate: float = 0.2
    """tau: share of each batch, that of largest loss, which is left out; ideally the noise rate."""
    forget_ramp: float = 0.05
    """T_k: share of the budget over which the share that is left out rises from 0."""


class CoTeaching(Method):
    """Each network learns the samples of smallest loss in the eyes of the other, and the trusted ones."""

    Settings: ClassVar[type[MethodSettings]] = CoTeachingSettings
    settings: CoTeachingSettings

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Sum over both networks of the mean cross-entropy on the other's picks."""
        task = self.task
        labels, trusted = (
            values[batch.index].to(task.device) for values in (task.given_labels, task.trusted)
        )
        images = batch.view()
        first, second = (
            functional.cross_entropy(
                network(images).float(),
                labels,
                reduction="none",
                label_smoothing=task.label_smoothing,
            )
            for network in task.networks
        )
        kept = keep_share(progress.share, self.settings.forget_rate, self.settings.forget_ramp)
        return exchanged_mean(first, second, kept, trusted)
