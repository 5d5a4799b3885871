"""SEAL: each network learns the mean of what the network before it said of every image while it trained.

Chen et al., "Beyond Class-Conditional Assumption: A Primary Attempt to Combat Instance-Dependent Label
Noise", AAAI 2021. The released code makes a new optimiser in every epoch, whose momentum starts at 0
(``--forget-momentum``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task, smooth
from labelmend.methods.plan import OptimizerPlan, Progress, Stage
from labelmend.semi.losses import soft_cross_entropy
from labelmend.verdicts.record import SampleRecord


@dataclass
class SealSettings(MethodSettings):
    """Settings of SEAL."""

    name: ClassVar[str] = "seal"
    RANGES: ClassVar = {"iterations": Range(0, 100, whole=True)}

    iterations: int = 1
    """Networks after the first, in equal shares of the budget; 0 is cross-entropy."""
    forget_momentum: bool = False
    """Start every epoch without momentum, as released."""


class Seal(Method):
    """Cross-entropy on given labels, then on soft labels that the last network's epochs have averaged."""

    Settings: ClassVar[type[MethodSettings]] = SealSettings
    settings: SealSettings
    targets: Tensor
    total: Tensor
    epochs: Tensor

    def __init__(self, settings: SealSettings, task: Task) -> None:
        super().__init__(settings, task)
        shape = (len(task.given_labels), task.num_classes)
        self.register_buffer("targets", smooth(task.given_labels, task.num_classes, task.label_smoothing))
        self.register_buffer("total", torch.zeros(shape))
        self.register_buffer("epochs", torch.tensor(0))

    def stages(self) -> Sequence[Stage]:
        """A new network for each iteration."""
        count = self.settings.iterations + 1
        return [Stage(1 / count, fresh=number > 0) for number in range(count)]

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One for the network."""
        (plan,) = super().optimizers(stage).values()
        return {"networks": replace(plan, renew_each_epoch=self.settings.forget_momentum)}

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy of one step."""
        device = self.task.device
        targets = self.targets[batch.index.to(self.targets.device)].to(device)
        return soft_cross_entropy(self.task.networks[0](batch.view()).float(), targets)

    def end_epoch(self, progress: Progress) -> None:
        """Add what the network says now of a random view of every image."""
        self.total += self.task.score(self.task.averages[0], views=1).probabilities.to(self.total.device)
        self.epochs += 1

    def end_stage(self, progress: Progress) -> None:
        """Hand the mean over to the next network; the last one's stays for the record."""
        if progress.stage < self.settings.iterations:
            mean, trusted = self.total / self.epochs, self.task.trusted.to(self.total.device)
            # A label that a person has confirmed stays as it is.
            self.targets.copy_(torch.where(trusted[:, None], self.targets, mean))
            self.total.zero_()
            self.epochs.zero_()

    def record(self) -> SampleRecord:
        """Easy where the mean over the last network's epochs is largest at the given label."""
        task, plain = self.task, super().record()
        mean = (self.total / self.epochs).cpu() if self.epochs else plain.probabilities
        own = mean.gather(1, task.given_labels[:, None])[:, 0]
        easy = (mean.argmax(1) == task.given_labels) | task.trusted
        quality = torch.where(task.trusted, torch.ones_like(own), own)
        return replace(
            plain,
            easiness=quality,
            easy=easy,
            label_quality=quality,
            corrected=torch.where(easy, -1, mean.argmax(1)),
            vote_share=torch.where(easy, 0.0, mean.amax(1)),
        )
