"""ProMix: a class-balanced base of easy samples that grows by confident ones, for two networks.

Xiao et al., "ProMix: Combating Label Noise via Maximizing Clean Sample Utility", IJCAI 2023.

Of the published code these are left out: FMix beside mixup, a second mixture for the second head, and the
weight of the pseudo-labels falling to 0 when its rise ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task
from labelmend.methods.plan import OptimizerPlan, Progress, Step
from labelmend.models.classifier import Classifier
from labelmend.models.registry import drawn_linear
from labelmend.selection.easiness import given_label_losses
from labelmend.selection.easy_set import select_easy
from labelmend.semi.losses import negative_entropy, ramp_up, soft_cross_entropy
from labelmend.semi.mixup import mixed_at_random
from labelmend.semi.sharpen import sharpen
from labelmend.verdicts.record import SampleRecord

# Of the published code: sharpening, mixup, weight of the pseudo-labels, and the share of a batch up to which
# agreement adds samples.
TEMPERATURE, MIXUP_ALPHA, PSEUDO_WEIGHT, EXPAND_TO = 0.5, 4.0, 0.1, 0.9

WARMUP, MIXED = "", "mixed"
"""Roles of steps: on all given labels, or by the last selection."""

RELIABLE, OTHER = 0, 1
"""Kinds of samples, by which mean predictions are kept."""


@dataclass
class ProMixSettings(MethodSettings):
    """Settings of ProMix, in the order of its steps."""

    name: ClassVar[str] = "promix"
    RANGES: ClassVar = {
        "warmup": Range(0, 1),
        "confidence_penalty": Range(0),
        "base_percent": Range(0, 100, low_open=True),
        "confidence": Range(0, 1),
        "expand": Range(0, 1),
        "debias_loss": Range(0),
        "debias_guess": Range(0),
        "bias_memory": Range(0, 1, high_open=True),
        "ramp": Range(0, 1),
    }

    warmup: float = 0.2
    """Share of the budget for training on all given labels before the first selection."""
    confidence_penalty: float = 0.0
    """Weight of the negative entropy of predictions in the warm-up; published: 1 for asymmetric noise."""
    base_percent: float = 50.0
    """rho, in percent: the base, samples of smallest loss in equal shares of the classes."""
    confidence: float = 0.99
    """tau: further samples whose given label is more probable than this. Published: 0.95 for 100 classes."""
    expand: float = 0.6
    """Share of the budget from which both networks label samples on which they agree; 1 for never."""
    debias_loss: float = 0.8
    """How far the mean prediction is added to logits in the loss. Published: 0.5 for 100 classes."""
    debias_guess: float = 0.8
    """How far it is taken out of logits in pseudo-labels. Published: 0.5 for 100 classes."""
    bias_memory: float = 0.98
    """Share of the mean prediction that the next one keeps in each step. Published: 0.9999,
    over 120,000 steps."""
    ramp: float = 0.3
    """Share of the budget, from its start, over which strong views and mixtures gain their weight;
    pseudo-labels take twice as long."""


def confident(probabilities: Tensor, labels: Tensor, confidence: float) -> Tensor:
    """Matched high confidence, bool (B,): where the label has a probability above ``confidence``.

    Args:
        probabilities: (B, C), rows sum to 1.
        labels: int64 (B,).
        confidence: tau, in [0, 1].
    """
    return probabilities.gather(1, labels[:, None])[:, 0] > confidence


def agreed(first: Tensor, second: Tensor, chosen: Tensor, confidence: float) -> Tensor:
    """Samples that two networks add to those chosen: both are confident, of one class.

    No more are added than fill nine tenths of the batch; those of the largest mean confidence go first.

    Args:
        first: class probabilities (B, C) of one network, rows sum to 1.
        second: of the other.
        chosen: bool (B,).
        confidence: tau, in [0, 1].

    Returns:
        bool (B,), none of them chosen before.
    """
    (sure, label), (sure_too, label_too) = first.max(1), second.max(1)
    found = (sure > confidence) & (sure_too > confidence) & (label == label_too) & ~chosen
    room = max(int(EXPAND_TO * len(chosen)) - int(chosen.sum()), 0)
    best = torch.argsort(torch.where(found, -(sure + sure_too), torch.inf), stable=True)[:room]
    added = torch.zeros_like(chosen)
    added[best] = True
    return added & found


class ProMix(Method):
    """Each network learns its reliable samples; a second head of its own also learns pseudo-labels."""

    Settings: ClassVar[type[MethodSettings]] = ProMixSettings
    settings: ProMixSettings
    base: Tensor
    bias: Tensor

    def __init__(self, settings: ProMixSettings, task: Task) -> None:
        super().__init__(settings, task)
        count, classes = len(task.given_labels), task.num_classes
        self.heads = nn.ModuleList(
            drawn_linear(network.feature_dim, classes, task.generator) for network in task.networks
        )
        self.register_buffer("base", torch.zeros(2, count, dtype=torch.bool))
        # Mean predictions of each network: on samples that it finds reliable, and on the others.
        self.register_buffer("bias", torch.full((2, 2, classes), 1 / classes))

    @classmethod
    def learns_strong_views(cls, settings: MethodSettings) -> bool:
        """Always, once the warm-up is over."""
        return getattr(settings, "warmup", 0) < 1

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One over the networks and their second heads."""
        return {"networks": OptimizerPlan.over(*self.task.networks, *self.heads)}

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """After the warm-up each network chooses its base; all samples once."""
        if progress.share < self.settings.warmup:
            return self.shuffled_steps(role=WARMUP)
        bases = [self.base_of(self.task.score(network).probabilities) for network in self.task.averages]
        self.base.copy_(torch.stack(bases))
        return self.shuffled_steps(role=MIXED)

    @property
    def has_selected(self) -> bool:
        """Whether the networks have chosen a base."""
        return bool(self.base.any())

    def base_of(self, probabilities: Tensor) -> Tensor:
        """Class-wise small-loss selection, bool (N,): that of eq. 1, ranked by loss alone."""
        task, losses = self.task, given_label_losses(probabilities, self.task.given_labels)
        return select_easy(
            task.given_labels,
            torch.zeros_like(losses),
            losses,
            task.num_classes,
            self.settings.base_percent,
            task.trusted,
        )

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy of both networks in the warm-up; afterwards the losses of both heads of each."""
        task, settings = self.task, self.settings
        labels = task.given_labels[batch.index].to(task.device)
        weak = batch.view()
        features = [network.features(weak) for network in task.networks]
        pairs = zip(task.networks, features, strict=True)
        logits = [network.head(each).float() for network, each in pairs]
        if batch.role == WARMUP:
            return torch.stack([self.warmup_loss(each, labels) for each in logits]).sum()
        strong = batch.view(strong=True)
        p = [each.detach().softmax(1) for each in logits]
        index, losses = batch.index.to(self.base.device), []
        for number in (0, 1):
            chosen = self.base[number, index] | confident(p[number], labels, settings.confidence)
            targets = labels
            if progress.share >= settings.expand:
                added = agreed(p[number], p[1 - number], chosen, settings.confidence)
                targets = torch.where(added, self.guess(number, logits[number], RELIABLE).argmax(1), labels)
                chosen = chosen | added
            targets = torch.where(
                chosen[:, None],
                functional.one_hot(targets, task.num_classes).float(),
                sharpen(self.guess(number, logits[number], OTHER), TEMPERATURE),
            )
            views = [(logits[number], features[number]), self.passed(number, strong)]
            losses.append(self.loss_of(number, weak, views, targets, chosen, progress.share))
            self.remember(number, p[number], chosen)
        return torch.stack(losses).sum()

    def warmup_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy on the given labels, and the confidence penalty."""
        fit = functional.cross_entropy(logits, labels, label_smoothing=self.task.label_smoothing)
        return fit + self.settings.confidence_penalty * negative_entropy(logits)

    def passed(self, number: int, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the first head, and features, of some images."""
        network = self.task.networks[number]
        features = network.features(images)
        return network.head(features).float(), features

    def guess(self, number: int, logits: Tensor, kind: int) -> Tensor:
        """Debiased pseudo-labels ``softmax(z - strength log pi)``, (B, C), without a gradient."""
        return (logits.detach() - self.settings.debias_guess * self.bias[number, kind].log()).softmax(1)

    def loss_of(
        self,
        number: int,
        weak: Tensor,
        views: Sequence[tuple[Tensor, Tensor]],
        targets: Tensor,
        chosen: Tensor,
        share: float,
    ) -> Tensor:
        """Loss of one network.

        Args:
            number: of the network.
            weak: weak views of the samples.
            views: logits of the first head and features, of the weak and of the strong views.
            targets: (B, C), rows sum to 1.
            chosen: bool (B,), whose targets both heads learn; the second head alone learns the others.
            share: of the budget that is spent.
        """
        settings, second = self.settings, self.heads[number]
        # Debiased margin: the mean prediction of the samples of each kind is added to their logits.
        shift = settings.debias_loss * self.bias[number].log()[torch.where(chosen, RELIABLE, OTHER)]
        later = ramp_up(share, 0, settings.ramp)
        pseudo = PSEUDO_WEIGHT * ramp_up(share, 0, 2 * settings.ramp)
        loss = weak.new_zeros((), dtype=torch.float32)
        for weight, (logits, features) in zip((1.0, later), views, strict=True):
            of_second = second(features).float() + shift
            if chosen.any():
                both = torch.cat([logits + shift, of_second])[chosen.repeat(2)]
                # Twice the mean of both heads is the sum of their means.
                loss = loss + 2 * weight * soft_cross_entropy(both, targets[chosen].repeat(2, 1))
            if not chosen.all():
                loss = loss + pseudo * weight * soft_cross_entropy(of_second[~chosen], targets[~chosen])
        if int(chosen.sum()) > 1:
            loss = loss + later * self.mixed_loss(number, weak[chosen], targets[chosen], shift[chosen])
        return loss

    def mixed_loss(self, number: int, images: Tensor, targets: Tensor, shift: Tensor) -> Tensor:
        """Cross-entropy of both heads on mixtures of the chosen samples."""
        mixed, targets = mixed_at_random(images, targets, MIXUP_ALPHA, self.task.generator)
        logits, features = self.passed(number, mixed)
        of_second = self.heads[number](features).float()
        return soft_cross_entropy(logits + shift, targets) + soft_cross_entropy(of_second + shift, targets)

    def remember(self, number: int, probabilities: Tensor, chosen: Tensor) -> None:
        """Move the mean predictions towards those of this step."""
        for kind, members in ((RELIABLE, chosen), (OTHER, ~chosen)):
            if members.any():
                self.bias[number, kind].lerp_(probabilities[members].mean(0), 1 - self.settings.bias_memory)

    def final_networks(self) -> Sequence[Classifier]:
        """Both, with their first heads."""
        return self.task.averages

    def record(self) -> SampleRecord:
        """Easy are the base and the confident samples, of both networks together."""
        plain = super().record()
        sure = confident(plain.probabilities, self.task.given_labels, self.settings.confidence)
        return replace(plain, easy=self.base_of(plain.probabilities) | sure)
