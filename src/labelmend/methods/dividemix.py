"""DivideMix: two networks divide the samples for each other, and learn the doubtful ones as unlabelled.

Li et al., "DivideMix: Learning with Noisy Labels as Semi-supervised Learning", ICLR 2020.

Left out: the mean of the last five losses, which the published code divides by at 90 % symmetric noise. The
guesses of a network on all samples of a step are made in one pass, not one of the labelled samples and one of
the others. An epoch is a pass of the first network and one of the second, over both of which the weight of
unlabelled samples rises; there each pass has the whole rise. Both networks warm up on the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task, record_by_belief
from labelmend.methods.plan import Progress, Step
from labelmend.models.classifier import Classifier
from labelmend.models.modes import evaluating
from labelmend.selection.easiness import given_label_losses, loss_mixture
from labelmend.semi.guess import average_guess
from labelmend.semi.losses import negative_entropy, prior_penalty, ramp_up, semi_loss, uniform_prior
from labelmend.semi.mixmatch import equal_parts, mixmatch_batch
from labelmend.semi.refine import refine_labels
from labelmend.semi.sharpen import sharpen
from labelmend.verdicts.record import SampleRecord

WARMUP, FIRST, SECOND = "", "0", "1"
"""Roles of steps: of both networks, or of the one that they train."""


@dataclass
class DivideMixSettings(MethodSettings):
    """Settings of DivideMix, in the order of its steps."""

    name: ClassVar[str] = "dividemix"
    RANGES: ClassVar = {
        "warmup": Range(0, 1),
        "confidence_penalty": Range(0),
        "p_threshold": Range(0, 1, high_open=True),
        "temperature": Range(0, low_open=True),
        "mixup_alpha": Range(0),
        "lambda_unlabelled": Range(0),
        "ramp": Range(0, 1),
        "prior_penalty": Range(0),
    }

    warmup: float = 0.3
    """Share of the budget for training on all given labels before the first division."""
    confidence_penalty: float = 0.0
    """Weight of the negative entropy of predictions in the warm-up; published: 1 for asymmetric noise."""
    p_threshold: float = 0.5
    """tau: samples whose clean probability is at least this are labelled; 0 labels all."""
    temperature: float = 0.5
    """T of sharpening; 1 leaves guesses as they are."""
    mixup_alpha: float = 4.0
    """Parameter of Beta(alpha, alpha), from which each step draws its mixing coefficient."""
    lambda_unlabelled: float = 5.0
    """lambda_u: weight of the unlabelled samples. Published: 0, 25, 50 or 150, with the noise."""
    ramp: float = 0.05
    """Share of the budget over which unlabelled samples gain their full weight after the warm-up."""
    prior_penalty: float = 1.0
    """Weight of the penalty that keeps a network from forgetting classes."""


def clean_probability(probabilities: Tensor, given_labels: Tensor, trusted: Tensor) -> Tensor:
    """Posterior of the low-loss component of a mixture of two, in [0, 1]; 1 for trusted labels.

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,).
        trusted: bool (N,).

    Returns:
        float32 (N,), high = clean.
    """
    clean = loss_mixture(given_label_losses(probabilities, given_labels)).easiness
    return torch.where(trusted, torch.ones_like(clean), clean)


class DivideMix(Method):
    """Warm-up, then in each epoch: both networks divide the samples, and each learns the other's division."""

    Settings: ClassVar[type[MethodSettings]] = DivideMixSettings
    settings: DivideMixSettings
    clean: Tensor
    prior: Tensor

    def __init__(self, settings: DivideMixSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("clean", torch.zeros(2, len(task.given_labels)))
        self.register_buffer("prior", uniform_prior(task.given_labels, task.num_classes), persistent=False)

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """Two."""
        return 2

    def clean_by(self, network: Classifier) -> Tensor:
        """Clean probability (N,) of every sample in the eyes of a network."""
        task = self.task
        return clean_probability(task.score(network).probabilities, task.given_labels, task.trusted)

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """After the warm-up: divide with both networks, then a pass for the first and one for the second."""
        if progress.share < self.settings.warmup:
            return self.shuffled_steps(role=WARMUP)
        self.clean.copy_(torch.stack([self.clean_by(network) for network in self.task.averages]))
        return [*self.divided_steps(FIRST), *self.divided_steps(SECOND)]

    @property
    def has_selected(self) -> bool:
        """Whether the networks have divided the samples."""
        return bool(self.clean.any())

    def labelled_for(self, number: int) -> Tensor:
        """Samples that the other network finds clean, bool (N,), on the CPU."""
        return (self.clean[1 - number] >= self.settings.p_threshold).cpu()

    def divided_steps(self, role: str) -> list[Step]:
        """One pass over the labelled samples, each step with as many unlabelled ones, if there are both."""
        labelled, task = self.labelled_for(int(role)), self.task
        parts = equal_parts(labelled, task.learnable, task.batch_size, task.generator)
        if parts is None:
            return self.shuffled_steps(role=role if labelled.any() else WARMUP)
        return [Step({"labelled": some, "unlabelled": rest}, role) for some, rest in parts]

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy of both networks in the warm-up, the semi-supervised loss of one afterwards."""
        if batch.role == WARMUP:
            return torch.stack([self.warmup_loss(network, batch) for network in self.task.networks]).sum()
        inputs, targets, num_labelled = self.mixed(batch)
        logits = self.task.networks[int(batch.role)](inputs).float()
        return self.semi_supervised_loss(logits, targets, num_labelled, progress)

    def mixed(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """Two views of each sample and its targets, mixed; see ``mixmatch_batch``."""
        number = int(batch.role)
        labelled = self.labelled_for(number)[batch.index]
        views = [batch.view(), batch.view()]
        targets = self.targets(number, batch.index, views, labelled)
        return mixmatch_batch(views, targets, labelled, self.settings.mixup_alpha, self.task.generator)

    def semi_supervised_loss(
        self, logits: Tensor, targets: Tensor, num_labelled: int, progress: Progress
    ) -> Tensor:
        """Cross-entropy of the labelled rows, squared error of the others, and the penalty on classes."""
        settings = self.settings
        weight = settings.lambda_unlabelled * ramp_up(progress.share, settings.warmup, settings.ramp)
        loss = semi_loss(logits, targets, num_labelled, weight)
        return loss + settings.prior_penalty * prior_penalty(logits, self.prior)

    def warmup_loss(self, network: Classifier, batch: Batch) -> Tensor:
        """Mean cross-entropy on the given labels, and the confidence penalty."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = network(batch.view()).float()
        fit = functional.cross_entropy(logits, labels, label_smoothing=self.task.label_smoothing)
        return fit + self.settings.confidence_penalty * negative_entropy(logits)

    @torch.no_grad()
    def targets(self, number: int, index: Tensor, views: Sequence[Tensor], labelled: Tensor) -> Tensor:
        """Labels refined by the network itself, and guesses by both of the unlabelled samples, (B, C)."""
        task, device = self.task, self.task.device
        own = average_guess([task.networks[number](view).float().softmax(1) for view in views])
        weight = self.clean[1 - number].to(device)[index.to(device)]
        labels = task.given_labels[index].to(device)
        targets = refine_labels(labels, weight, own, self.settings.temperature)
        rest = (~labelled).nonzero()[:, 0].to(device)
        if len(rest):
            others = self.guess_of_the_other(number, [view[rest] for view in views])
            targets[rest] = sharpen(average_guess([own[rest], others]), self.settings.temperature)
        return targets

    def guess_of_the_other(self, number: int, views: Sequence[Tensor]) -> Tensor:
        """Mean prediction of the network that is not trained now, (B, C), in evaluation mode."""
        other = self.task.networks[1 - number]
        with evaluating(other):
            return average_guess([other(view).float().softmax(1) for view in views])

    def metrics(self) -> dict[str, float]:
        """How many samples are labelled for the two networks on average, once they are divided."""
        if not self.clean.any():
            return {}
        return {"labelled": float(self.labelled_for(0).sum() + self.labelled_for(1).sum()) / 2}

    def final_networks(self) -> Sequence[Classifier]:
        """Both."""
        return self.task.averages

    def record(self) -> SampleRecord:
        """Easy where the clean probability, the mean of both networks', is above the threshold."""
        task = self.task
        clean = torch.stack([self.clean_by(network) for network in self.final_networks()]).mean(0)
        probabilities = task.score(self.final_model()).probabilities
        threshold = self.settings.p_threshold
        return record_by_belief(probabilities, task.given_labels, task.trusted, clean, threshold)
