"""Plain cross-entropy on the given labels: the control that every robust method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings
from labelmend.methods.base import Batch, Method, Progress
from labelmend.selection.easiness import easiness
from labelmend.ssl.losses import soft_cross_entropy
from labelmend.verdicts.table import EASY, UNCERTAIN, VERDICTS, SampleVerdicts


@dataclass
class CrossEntropySettings(MethodSettings):
    """Plain cross-entropy has no settings of its own."""

    name: ClassVar[str] = "ce"


def smooth(labels: Tensor, num_classes: int, label_smoothing: float) -> Tensor:
    """One-hot targets (B, C) with a share ``label_smoothing`` spread evenly over the classes."""
    onehot = functional.one_hot(labels, num_classes).float()
    return onehot * (1 - label_smoothing) + label_smoothing / num_classes


class CrossEntropy(Method):
    """``H(g(f(x)), y~)`` on one weak view of each image."""

    Settings: ClassVar[type[MethodSettings]] = CrossEntropySettings

    def targets(self, batch: Batch) -> Tensor:
        """Smoothed given labels of the batch, (B, C), on the device."""
        labels = self.task.given_labels[batch.index]
        return smooth(labels, self.task.num_classes, self.task.label_smoothing).to(self.task.device)

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean cross-entropy of one step."""
        logits = self.task.networks[0](batch.view())
        return soft_cross_entropy(logits.float(), self.targets(batch))

    def verdicts(self) -> SampleVerdicts:
        """Easy where easiness is above one half, uncertain elsewhere; nothing is corrected."""
        scores = self.task.score(self.task.averages[0])
        own = scores.probabilities.gather(1, self.task.given_labels[:, None])[:, 0]
        omega = easiness(-own.clamp(min=1e-12).log())
        count = len(own)
        trusted = self.task.trusted
        quality = torch.where(trusted, torch.ones_like(own), own)
        verdict = torch.where((omega > 0.5) | trusted, VERDICTS.index(EASY), VERDICTS.index(UNCERTAIN))
        return SampleVerdicts(
            probabilities=scores.probabilities.numpy(),
            easiness=omega.numpy(),
            verdict=verdict.to(torch.int8).numpy(),
            suggested=self.task.given_labels.numpy(),
            confidence=own.numpy(),
            label_quality=quality.numpy(),
            votes=torch.zeros(count, dtype=torch.int32).numpy(),
            vote_share=torch.zeros(count).numpy(),
            sources=torch.full((count, 1), -1).numpy(),
        )
