"""ELR+: ELR with mixup and two networks, each held to what the weight average of the other said before.

Liu et al., "Early-Learning Regularization Prevents Memorization of Noisy Labels", NeurIPS 2020.

Of the published code two things are left out: for 100 classes it multiplies the labels by the targets, and
batch norm of its averaged networks runs on the statistics of each batch. Both networks take each batch at
once here, on views of their own, instead of an epoch each in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task, record_by_belief
from labelmend.methods.elr import early_learning_penalty, moved_targets, target_belief
from labelmend.methods.plan import Progress
from labelmend.models.classifier import Classifier
from labelmend.semi.losses import soft_cross_entropy
from labelmend.semi.mixup import mixed_at_random
from labelmend.verdicts.record import SampleRecord


@dataclass
class ElrPlusSettings(MethodSettings):
    """Settings of ELR+; ``ema_decay`` of the run is that of its averaged networks."""

    name: ClassVar[str] = "elr_plus"
    RANGES: ClassVar = {
        "elr_weight": Range(0),
        "elr_memory": Range(0, 1, high_open=True),
        "mixup_alpha": Range(0),
    }

    elr_weight: float = 3.0
    """lambda: weight of the regulariser; 0 is mixup. Published: 3 for CIFAR-10, 7 for CIFAR-100."""
    elr_memory: float = 0.7
    """beta: share of each target that the next one keeps. Published: 0.7 for CIFAR-10, 0.9 for CIFAR-100."""
    mixup_alpha: float = 1.0
    """Parameter of Beta(alpha, alpha), from which each network draws its mixing coefficient in each step."""


class ElrPlus(Method):
    """Two networks on mixed images, each with targets from the weight average of the other."""

    Settings: ClassVar[type[MethodSettings]] = ElrPlusSettings
    settings: ElrPlusSettings
    targets: Tensor

    def __init__(self, settings: ElrPlusSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("targets", torch.zeros(2, len(task.given_labels), task.num_classes))

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Sum of the losses of both networks."""
        return self.loss_of(0, batch) + self.loss_of(1, batch)

    def loss_of(self, number: int, batch: Batch) -> Tensor:
        """ELR's loss of one network, image, label and target mixed alike."""
        task, settings, index = self.task, self.settings, batch.index.to(self.targets.device)
        view = batch.view()
        with torch.no_grad():
            opinion = task.averages[1 - number](view).float()
        own = self.targets[number]
        own[index] = targets = moved_targets(own[index], opinion, settings.elr_memory)
        both = torch.cat([self.smoothed_labels(batch), targets], 1)
        images, mixed = mixed_at_random(view, both, settings.mixup_alpha, task.generator)
        labels, targets = mixed.split(task.num_classes, 1)
        logits = task.networks[number](images).float()
        fit = soft_cross_entropy(logits, labels)
        return fit + settings.elr_weight * early_learning_penalty(logits, targets).mean()

    def final_networks(self) -> Sequence[Classifier]:
        """The weight averages of both."""
        return self.task.averages

    def record(self) -> SampleRecord:
        """Easy where most of the mean target is at the given label."""
        given, probabilities = self.task.given_labels, self.task.score(self.final_model()).probabilities
        belief = target_belief(self.targets.mean(0).cpu(), given, probabilities)
        return record_by_belief(probabilities, given, self.task.trusted, belief)
