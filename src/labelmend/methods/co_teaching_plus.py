"""Co-teaching+: Co-teaching among the samples on which the two networks disagree.

Yu et al., "How does Disagreement Help Generalization against Label Corruption?", ICML 2019. After the warm-up
the released code takes the cross-entropy of probabilities as if they were logits (``--double-softmax``), and
where the networks agree on a whole batch, learns all of it as long as the epoch times the batch of that epoch
is below 5,000; here such a batch has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, record_by_loss
from labelmend.methods.plan import Progress
from labelmend.selection.easiness import given_label_losses
from labelmend.selection.small_loss import exchanged_mean, keep_share, small_loss_set
from labelmend.verdicts.record import SampleRecord


@dataclass
class CoTeachingPlusSettings(MethodSettings):
    """Settings of Co-teaching+."""

    name: ClassVar[str] = "co_teaching_plus"
    RANGES: ClassVar = {
        "forget_rate": Range(0, 1, high_open=True),
        "forget_ramp": Range(0, 1),
        "warmup": Range(0, 1),
    }

    forget_rate: float = 0.2
    """tau: share of the samples, those of largest loss, which is left out; ideally the noise rate."""
    forget_ramp: float = 0.05
    """T_k: share of the budget over which the share that is left out rises from 0."""
    warmup: float = 0.2
    """Share of the budget for Co-teaching on all samples before agreement counts; 1 for the whole."""
    double_softmax: bool = False
    """Take the cross-entropy of probabilities instead of logits where agreement counts, as released."""


class CoTeachingPlus(Method):
    """Each network learns what the other finds easiest among what they disagree on, and what is trusted."""

    Settings: ClassVar[type[MethodSettings]] = CoTeachingPlusSettings
    settings: CoTeachingPlusSettings

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Sum over both networks of the mean cross-entropy on the other's picks."""
        settings, task = self.settings, self.task
        labels, trusted = (
            values[batch.index].to(task.device) for values in (task.given_labels, task.trusted)
        )
        images = batch.view()
        outputs = [network(images).float() for network in task.networks]
        if progress.share >= settings.warmup:
            kept = disagreement(*outputs) | trusted
            if not kept.any():
                return torch.stack(outputs).sum() * 0
            labels, trusted = labels[kept], trusted[kept]
            outputs = [logits[kept] for logits in outputs]
            if settings.double_softmax:
                outputs = [logits.softmax(1) for logits in outputs]
        first, second = (
            functional.cross_entropy(logits, labels, reduction="none", label_smoothing=task.label_smoothing)
            for logits in outputs
        )
        share = keep_share(progress.share, settings.forget_rate, settings.forget_ramp)
        return exchanged_mean(first, second, share, trusted)

    def record(self) -> SampleRecord:
        """Easy are the samples of smallest loss in the eyes of both networks, as many as are kept at last."""
        task = self.task
        first, second = (task.score(network).probabilities for network in task.averages)
        losses = given_label_losses(first, task.given_labels) + given_label_losses(second, task.given_labels)
        easy = small_loss_set(losses, 1 - self.settings.forget_rate, task.trusted)
        return replace(record_by_loss(first, task.given_labels, task.trusted), easy=easy)


def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """Which samples two networks predict different classes of.

    Args:
        first: logits of the first network, (B, C).
        second: logits of the second network, (B, C).

    Returns:
        bool (B,).
    """
    return first.argmax(1) != second.argmax(1)
