"""JoCoR: two networks learn together what both find easy and agree on.

Wei et al., "Combating Noisy Labels by Agreement: A Joint Training Method with Co-Regularization", CVPR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method, record_by_loss
from labelmend.methods.plan import Progress
from labelmend.selection.small_loss import keep_share, small_loss, small_loss_set
from labelmend.verdicts.record import SampleRecord


def joint_losses(first: Tensor, second: Tensor, labels: Tensor, agreement: float) -> Tensor:
    """``(1 - lambda) (H_1 + H_2) + lambda (KL(p_1 || p_2) + KL(p_2 || p_1))`` of each sample.

    Args:
        first: logarithms of the first network's probabilities, (B, C).
        second: those of the second network, (B, C).
        labels: int64 (B,).
        agreement: lambda, in [0, 1].

    Returns:
        (B,), 0 or more.
    """
    own = labels[:, None]
    entropies = -(first.gather(1, own) + second.gather(1, own))[:, 0]
    divergences = ((first.exp() - second.exp()) * (first - second)).sum(1)
    return (1 - agreement) * entropies + agreement * divergences


@dataclass
class JocorSettings(MethodSettings):
    """Settings of JoCoR."""

    name: ClassVar[str] = "jocor"
    RANGES: ClassVar = {
        "forget_rate": Range(0, 1, high_open=True),
        "forget_ramp": Range(0, 1),
        "agreement": Range(0, 1, high_open=True),
    }

    forget_rate: float = 0.2
    """tau: share of each batch, that of largest loss, which is left out; ideally the noise rate."""
    forget_ramp: float = 0.05
    """T_k: share of the budget over which the share that is left out rises from 0."""
    agreement: float = 0.5
    """lambda: weight of the networks' divergence; that of their cross-entropies is the rest. Published: 0.9
    for CIFAR-10."""


class Jocor(Method):
    """One loss over both networks, on the samples where it is small, and on the trusted ones."""

    Settings: ClassVar[type[MethodSettings]] = JocorSettings
    settings: JocorSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean joint loss of the samples that are kept."""
        task = self.task
        labels, trusted = (
            values[batch.index].to(task.device) for values in (task.given_labels, task.trusted)
        )
        images = batch.view()
        first, second = (network(images).float().log_softmax(1) for network in task.networks)
        losses = joint_losses(first, second, labels, self.settings.agreement)
        kept = keep_share(progress.share, self.settings.forget_rate, self.settings.forget_ramp)
        return losses[small_loss(losses, kept, trusted)].mean()

    def record(self) -> SampleRecord:
        """Easy are the samples of smallest joint loss, as many as are kept at last."""
        task, settings = self.task, self.settings
        first, second = (task.score(network).probabilities for network in task.averages)
        log_first, log_second = (p.clamp(min=1e-12).log() for p in (first, second))
        losses = joint_losses(log_first, log_second, task.given_labels, settings.agreement)
        easy = small_loss_set(losses, 1 - settings.forget_rate, task.trusted)
        return replace(record_by_loss(first, task.given_labels, task.trusted), easy=easy)
