"""CAL: a sieve guesses true labels; a new network learns with the covariance of noise and loss taken out.

Zhu et al., "A Second-Order Approach to Learning with Instance-Dependent Label Noise", CVPR 2021. The released
code guesses at epoch 65 of the 100 of the first network, in training mode, and reports the epoch of best test
accuracy; here the guesses are those of the first network's end. It also centres losses by their class means
of the epoch before, which changes the value of the covariance in a batch but no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method, Task
from labelmend.methods.plan import Progress, Stage, Step
from labelmend.selection.sieve import SMALLEST, sieve
from labelmend.semi.losses import ramp_up
from labelmend.verdicts.record import SampleRecord

# Shares of a network's budget between which the peer term gains its weight, and that weight for the second.
RAMP_FROM, RAMP_TO = 0.1, 0.4
SECOND_PEER = 1.0
# Added to probabilities, so that a class that is ruled out has a bounded loss.
EPSILON = 1e-5
# The sieve's threshold is published for ten classes, where others make up nine tenths of the mean loss.
OTHERS_OF_TEN = 0.9


def given_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """``-log(p_y + 1e-8)`` of every sample, (B,)."""
    return -(logits.softmax(1).gather(1, labels[:, None])[:, 0] + SMALLEST).log()


def bounded_losses(logits: Tensor) -> Tensor:
    """``-log(p_c + 1e-5)`` of every class, (B, C)."""
    return -(logits.softmax(1) + EPSILON).log()


def peer_term(logits: Tensor, prior: Tensor) -> Tensor:
    """Expected loss of each sample on a label drawn without regard to it: ``-sum_c pi_c log(p_c + 1e-5)``.

    Args:
        logits: (B, C).
        prior: pi, (C,), sums to 1.

    Returns:
        (B,), 0 or more.
    """
    # No matrix product, which would be in half precision under autocast.
    return (bounded_losses(logits) * prior).sum(1)


def covariances(logits: Tensor, given: Tensor, guessed: Tensor, conditional: Tensor) -> Tensor:
    """``sum_j (1[y~ = j] - P(y~ = j | Y^)) (-log p_j)`` of each sample, Y^ being its guessed label.

    The mean over all samples is the paper's ``sum_i P(Y^ = i) sum_j Cov(1[y~ = j], -log p_j | Y^ = i)``. It
    is 0 for every sample where all labels are guessed to be right.

    Args:
        logits: (B, C).
        given: int64 (B,), y~.
        guessed: int64 (B,), Y^.
        conditional: P(y~ | Y^), (C, C), a row for each guessed label.

    Returns:
        (B,).
    """
    surplus = functional.one_hot(given, logits.shape[1]) - conditional[guessed]
    return (surplus * bounded_losses(logits)).sum(1)


def label_conditional(given_labels: Tensor, guessed: Tensor, num_classes: int) -> Tensor:
    """``P(y~ = j | Y^ = i)`` as counted, (C, C); rows of labels that are never guessed are 0.

    Args:
        given_labels: int64 (N,).
        guessed: int64 (N,).
        num_classes: C.
    """
    counts = torch.bincount(guessed * num_classes + given_labels, minlength=num_classes**2)
    counts = counts.reshape(num_classes, num_classes).float()
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


@dataclass
class CalSettings(MethodSettings):
    """Settings of CAL."""

    name: ClassVar[str] = "cal"
    RANGES: ClassVar = {
        "sieve_share": Range(0, 1, low_open=True, high_open=True),
        "sieve_peer": Range(0),
        "threshold": Range(high=0),
    }

    sieve_share: float = 0.4
    """Share of the budget for the first network, whose guesses the second one learns with; as published,
    which is 65 epochs of 165."""
    sieve_peer: float = 2.0
    """Final weight of the first network's peer term, which makes it sure of some class."""
    threshold: float = -8.0
    """Difference of the given label's loss to the mean over classes below which the label is kept. It is
    meant for ten classes or more; of fewer, where the given class is more of that mean, less is enough."""


class Cal(Method):
    """A sieve by a peer-regularised network; then the same loss less the covariance, from scratch."""

    Settings: ClassVar[type[MethodSettings]] = CalSettings
    settings: CalSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN
    guessed: Tensor
    conditional: Tensor
    peer: Tensor

    def __init__(self, settings: CalSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("guessed", task.given_labels.clone())
        self.register_buffer("conditional", torch.eye(task.num_classes))
        self.register_buffer("peer", torch.zeros(()))
        shares = torch.bincount(task.given_labels, minlength=task.num_classes).float()
        priors = torch.stack([shares.sqrt(), shares])
        self.register_buffer("priors", priors / priors.sum(1, keepdim=True))

    def stages(self) -> Sequence[Stage]:
        """The sieve, and a new network."""
        share = self.settings.sieve_share
        return (Stage(share), Stage(1 - share, fresh=True))

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """All samples; the peer term has the same weight for an epoch."""
        final = self.settings.sieve_peer if progress.stage == 0 else SECOND_PEER
        self.peer.fill_(final * ramp_up(progress.stage_share, RAMP_FROM, RAMP_TO - RAMP_FROM))
        return self.shuffled_steps()

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy less the peer term, and less the covariance once labels are guessed."""
        device = self.task.device
        labels = self.task.given_labels[batch.index].to(device)
        logits = self.task.networks[0](batch.view()).float()
        prior = self.get_buffer("priors")[progress.stage]
        loss = given_losses(logits, labels).mean() - self.peer * peer_term(logits, prior).mean()
        if progress.stage == 0:
            return loss
        guessed = self.guessed[batch.index.to(self.guessed.device)]
        return loss - covariances(logits, labels, guessed, self.conditional).mean()

    def end_stage(self, progress: Progress) -> None:
        """Guess the true labels with the first network."""
        if progress.stage == 0:
            given, classes = self.task.given_labels, self.task.num_classes
            guessed = self.guess(self.task.score(self.final_model()).probabilities)
            self.guessed.copy_(guessed)
            self.conditional.copy_(label_conditional(given, guessed, classes))

    def guess(self, probabilities: Tensor) -> Tensor:
        """The given label where the sieve keeps it, else the predicted one, int64 (N,)."""
        return torch.where(self.keeps(probabilities), self.task.given_labels, probabilities.argmax(1))

    def keeps(self, probabilities: Tensor) -> Tensor:
        """Which labels the sieve keeps, trusted ones always, bool (N,)."""
        others = 1 - 1 / self.task.num_classes
        threshold = self.settings.threshold * min(others / OTHERS_OF_TEN, 1)
        return sieve(probabilities, self.task.given_labels, threshold) | self.task.trusted

    def may_be_best(self, progress: Progress) -> bool:
        """Once the peer term has its weight."""
        return progress.stage_share >= RAMP_TO

    def metrics(self) -> dict[str, float]:
        """Share of the labels that are guessed to be wrong, once they are guessed."""
        wrong = float((self.guessed.cpu() != self.task.given_labels).double().mean())
        return {"estimated_noise_rate": wrong} if wrong else {}

    def record(self) -> SampleRecord:
        """Easy is what the sieve keeps with the final network; other labels are guessed anew by it."""
        plain = super().record()
        probabilities = plain.probabilities
        kept = self.keeps(probabilities)
        return replace(
            plain,
            easy=kept,
            corrected=torch.where(kept, -1, probabilities.argmax(1)),
            vote_share=torch.where(kept, 0.0, probabilities.amax(1)),
        )
