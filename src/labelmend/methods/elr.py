"""ELR: early-learning regularisation holds each prediction to what the network said of the image before.

Liu et al., "Early-Learning Regularization Prevents Memorization of Noisy Labels", NeurIPS 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task, record_by_belief
from labelmend.methods.plan import Progress
from labelmend.semi.losses import soft_cross_entropy
from labelmend.verdicts.record import SampleRecord

# Of the published code: probabilities are kept this far from 0 and 1 in the regulariser and in the targets.
CLIP = 1e-4


def clipped(logits: Tensor) -> Tensor:
    """Class probabilities (B, C) of logits (B, C), in [1e-4, 1 - 1e-4]."""
    return logits.softmax(1).clamp(CLIP, 1 - CLIP)


def early_learning_penalty(logits: Tensor, targets: Tensor) -> Tensor:
    """``log(1 - <p, t>)`` of each sample: low where prediction and target agree.

    Args:
        logits: (B, C).
        targets: t, (B, C), 0 or more, rows sum to at most 1.

    Returns:
        (B,), 0 or less.
    """
    return (1 - (clipped(logits) * targets).sum(1)).log()


def moved_targets(targets: Tensor, logits: Tensor, beta: float) -> Tensor:
    """``beta t + (1 - beta) p``, p without a gradient.

    Args:
        targets: t, (B, C).
        logits: of p, (B, C).
        beta: in [0, 1].

    Returns:
        (B, C).
    """
    p = clipped(logits.detach())
    return beta * targets + (1 - beta) * p / p.sum(1, keepdim=True)


def target_belief(targets: Tensor, given_labels: Tensor, probabilities: Tensor) -> Tensor:
    """Share of each target that is at the given label.

    Args:
        targets: t, (N, C), 0 or more.
        given_labels: int64 (N,).
        probabilities: (N, C), of the model; in place of targets that were never set.

    Returns:
        (N,), in [0, 1], low = suspicious.
    """
    known = targets.sum(1, keepdim=True)
    believed = torch.where(known > 0, targets / known.clamp(min=1e-12), probabilities)
    return believed.gather(1, given_labels[:, None])[:, 0]


@dataclass
class ElrSettings(MethodSettings):
    """Settings of ELR."""

    name: ClassVar[str] = "elr"
    RANGES: ClassVar = {"elr_weight": Range(0), "elr_memory": Range(0, 1, high_open=True)}

    elr_weight: float = 3.0
    """lambda: weight of the regulariser; 0 is cross-entropy. Published: 3 for CIFAR-10, 7 for CIFAR-100."""
    elr_memory: float = 0.7
    """beta: share of each target that the next one keeps. Published: 0.7 for CIFAR-10, 0.9 for CIFAR-100."""


class Elr(Method):
    """Cross-entropy, and a pull of each prediction to the mean of the earlier ones of its image."""

    Settings: ClassVar[type[MethodSettings]] = ElrSettings
    settings: ElrSettings
    targets: Tensor

    def __init__(self, settings: ElrSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("targets", torch.zeros(len(task.given_labels), task.num_classes))

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy, and lambda times the mean penalty on targets that have just moved."""
        task, index = self.task, batch.index.to(self.targets.device)
        logits = task.networks[0](batch.view()).float()
        self.targets[index] = targets = moved_targets(self.targets[index], logits, self.settings.elr_memory)
        fit = soft_cross_entropy(logits, self.smoothed_labels(batch))
        return fit + self.settings.elr_weight * early_learning_penalty(logits, targets).mean()

    def record(self) -> SampleRecord:
        """Easy where most of the target is at the given label."""
        given, probabilities = self.task.given_labels, self.task.score(self.final_model()).probabilities
        belief = target_belief(self.targets.cpu(), given, probabilities)
        return record_by_belief(probabilities, given, self.task.trusted, belief)
