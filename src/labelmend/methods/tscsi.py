"""TSCSI: clean is what is near the centre of its class and what two heads agree on; DivideMix does the rest.

Zhao et al., "Centrality and Consistency: Two-Stage Clean Samples Identification for Learning with
Instance-Dependent Noisy Labels", ECCV 2022. The released code maximises the discrepancy on random views in
training mode; here it does so on features of the scoring pass, for both networks before either is trained. As
there, the mean discrepancy is divided by the size of the batch once more where it is driven up (64 there,
here that of the run): with all of it the heads forget their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Task
from labelmend.methods.dividemix import FIRST, SECOND, WARMUP, DivideMix, DivideMixSettings
from labelmend.methods.plan import OptimizerPlan, Progress, Step, Update
from labelmend.models.classifier import Classifier
from labelmend.models.modes import evaluating
from labelmend.models.registry import drawn_linear
from labelmend.selection.centrality import centrality
from labelmend.selection.easiness import loss_mixture
from labelmend.semi.losses import negative_entropy
from labelmend.semi.mixmatch import cycled
from labelmend.verdicts.record import SampleRecord

PROJECTED = 128
PULL = 0.1
"""Weight of the discrepancy of the heads where a network brings it down."""
ROWS = 2**14


@dataclass
class TscsiSettings(DivideMixSettings):
    """Settings of TSCSI: those of DivideMix, and three of its own."""

    name: ClassVar[str] = "tscsi"
    RANGES: ClassVar = {
        **DivideMixSettings.RANGES,
        "d_threshold": Range(0, 1, high_open=True),
        "discrepancy_steps": Range(0),
        "discrepancy_weight": Range(0),
    }

    warmup: float = 0.3
    """Share of the budget for training on all given labels before the first division."""
    confidence_penalty: float = 0.0
    """Weight of the negative entropy of predictions in the warm-up."""
    p_threshold: float = 0.4
    """Samples that are central to their class with at least this probability may be labelled."""
    temperature: float = 0.5
    """T of sharpening; 1 leaves guesses as they are."""
    mixup_alpha: float = 4.0
    """Parameter of Beta(alpha, alpha), from which each step draws its mixing coefficient."""
    lambda_unlabelled: float = 5.0
    """lambda_u: weight of the unlabelled samples. Published: 25."""
    ramp: float = 0.05
    """Share of the budget over which unlabelled samples gain their full weight after the warm-up."""
    prior_penalty: float = 1.0
    """Weight of the penalty that keeps a network from forgetting classes."""
    d_threshold: float = 0.0
    """Of those, samples on which the heads agree with at least this probability are labelled; 0 for all."""
    discrepancy_steps: int = 20
    """Steps in which the heads are driven apart on frozen features in each epoch. Published: 100."""
    discrepancy_weight: float = 0.1
    """Weight of the discrepancy of the heads where it is driven up; 0 for not driving it up, nor down."""


class ConsistencyHeads(nn.Module):
    """A projection of features, and two heads on it (batch norm, ReLU, linear).

    Args:
        feature_dim: d.
        num_classes: C.
        generator: source of the initial weights, on the CPU.
    """

    def __init__(self, feature_dim: int, num_classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.projection = drawn_linear(feature_dim, PROJECTED, generator)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(PROJECTED), nn.ReLU(), drawn_linear(PROJECTED, num_classes, generator)
            )
            for _ in range(2)
        )
        self.operations = 2 * PROJECTED * (feature_dim + 2 * num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Projected features (B, 128), and the logits (B, C) of both heads."""
        projected = self.projection(features)
        first, second = (head(projected).float() for head in self.heads)
        return projected, first, second


def discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """``sum_c |p_c - q_c|`` of each sample.

    Args:
        first: logits of one head, (B, C).
        second: logits of the other head.

    Returns:
        (B,), in [0, 2].
    """
    return (first.softmax(1) - second.softmax(1)).abs().sum(1)


def frequency_weighted_mean(values: Tensor, labels: Tensor, frequencies: Tensor) -> Tensor:
    """Mean of values (B,), each weighted by how frequent its label is: ``frequencies`` is (C,)."""
    weights = frequencies[labels]
    return (weights * values).sum() / weights.sum()


def agreement(discrepancies: Tensor, labels: Tensor, among: Tensor) -> Tensor:
    """Posterior of the component of small discrepancy, by a mixture of two in each given class.

    Args:
        discrepancies: (N,).
        labels: int64 (N,).
        among: bool (N,), samples that are asked about.

    Returns:
        float32 (N,), in [0, 1], high = the heads agree; 0 for the other samples.
    """
    found = torch.zeros(len(labels))
    for label in labels[among].unique():
        mine = among & (labels == label)
        found[mine] = loss_mixture(discrepancies[mine]).easiness
    return found


class Tscsi(DivideMix):
    """DivideMix whose division asks how central a sample is to its class, and whether two heads agree."""

    Settings: ClassVar[type[MethodSettings]] = TscsiSettings
    settings: TscsiSettings
    consistent: Tensor

    def __init__(self, settings: TscsiSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.heads = nn.ModuleList(
            ConsistencyHeads(network.feature_dim, task.num_classes, task.generator)
            for network in task.networks
        )
        self.register_buffer("consistent", torch.ones(2, len(task.given_labels), dtype=torch.bool))

    def heads_of(self, number: int) -> ConsistencyHeads:
        """The heads of a network."""
        heads = self.heads[number]
        assert isinstance(heads, ConsistencyHeads)
        return heads

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One for the networks, one for all heads, and one that drives the heads apart."""
        classifying = [self.heads_of(number).heads for number in (0, 1)]
        return {
            **super().optimizers(stage),
            "heads": OptimizerPlan.over(self.heads),
            "discrepancy": OptimizerPlan.over(*classifying, every_step=False),
        }

    # The division.

    @torch.no_grad()
    def passed(self, number: int, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the heads of a network make of all features (N, d), in evaluation mode, on the CPU."""
        heads, device = self.heads_of(number), self.task.device
        self.task.meter.add(heads.operations * len(features))
        with evaluating(heads):
            parts = [heads(rows.to(device)) for rows in features.split(ROWS)]
        projected, first, second = (torch.cat([part[i].cpu() for part in parts]) for i in range(3))
        return projected, first, second

    def clean_by(self, network: Classifier) -> Tensor:
        """Probability (N,) that a sample is central to its given class; for trusted labels 1."""
        return self.central(self.number_of(network), self.task.score(network).features)

    def number_of(self, network: Classifier) -> int:
        """Which of the averages a network is."""
        return next(i for i, average in enumerate(self.task.averages) if average is network)

    def central(self, number: int, features: Tensor) -> Tensor:
        """Posterior of the component of large centrality, (N,), from features (N, d)."""
        task = self.task
        projected, first, second = self.passed(number, features)
        near = centrality(projected, (first + second).argmax(1), task.given_labels, task.num_classes)
        central = loss_mixture(1 - near, max_iter=100, tol=0.1).easiness
        return torch.where(task.trusted, torch.ones_like(central), central)

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """After the warm-up: divide by both networks in two stages, then a pass for each."""
        if progress.share < self.settings.warmup:
            return self.shuffled_steps(role=WARMUP)
        for number, network in enumerate(self.task.averages):
            features = self.task.score(network).features
            self.clean[number] = self.central(number, features)
            self.consistent[number] = self.agreed(number, features)
        return [*self.divided_steps(FIRST), *self.divided_steps(SECOND)]

    def agreed(self, number: int, features: Tensor) -> Tensor:
        """Central samples on which the heads, driven apart, still agree, and trusted ones, bool (N,)."""
        task, settings = self.task, self.settings
        central = (self.clean[number] >= settings.p_threshold).cpu()
        self.drive_apart(number, features, (central & task.learnable).nonzero()[:, 0])
        if settings.d_threshold == 0:
            return central
        _, first, second = self.passed(number, features)
        agree = agreement(discrepancy(first, second), task.given_labels, central)
        return (agree >= settings.d_threshold) & central | task.trusted

    def drive_apart(self, number: int, features: Tensor, index: Tensor) -> None:
        """Maximise the discrepancy of the heads on frozen features of some samples."""
        task, settings = self.task, self.settings
        steps = settings.discrepancy_steps if settings.discrepancy_weight > 0 else 0
        if len(index) < 2 or not steps:
            return
        heads, optimizer = self.heads_of(number), task.optimizers["discrepancy"]
        frequencies = torch.bincount(task.given_labels[index], minlength=task.num_classes).to(task.device)
        size = min(task.batch_size, len(index))
        for batch in cycled(index, steps * size, task.generator).split(size):
            _, first, second = heads(features[batch].to(task.device))
            labels = task.given_labels[batch].to(task.device)
            apart = frequency_weighted_mean(discrepancy(first, second), labels, frequencies.float())
            optimizer.zero_grad()
            (-settings.discrepancy_weight * apart / size).backward()
            optimizer.step()
        task.meter.add(3 * heads.operations * size * steps)

    def labelled_for(self, number: int) -> Tensor:
        """Samples that the other network finds central and its heads agree on, bool (N,), on the CPU."""
        return super().labelled_for(number) & self.consistent[1 - number].cpu()

    def record(self) -> SampleRecord:
        """As of DivideMix; where heads select too, easy is only what those of one network agreed on."""
        found = super().record()
        if self.settings.d_threshold == 0:
            return found
        return replace(found, easy=found.easy & self.consistent.any(0).cpu())

    # The steps.

    def updates(self, batch: Batch, progress: Progress) -> Iterator[Update]:
        """In the warm-up, both networks and all heads at once; then one network, and its discrepancy down."""
        if batch.role == WARMUP:
            numbers = range(len(self.task.networks))
            losses = [self.warmup_of(number, batch) for number in numbers]
            yield Update(torch.stack(losses).sum())
            return
        number, (inputs, targets, num_labelled) = int(batch.role), self.mixed(batch)
        network, heads = self.task.networks[number], self.heads_of(number)
        features = network.features(inputs)
        losses = [
            self.semi_supervised_loss(logits, targets, num_labelled, progress)
            for logits in (network.head(features).float(), *heads(features.detach())[1:])
        ]
        self.task.meter.add(3 * heads.operations * len(inputs))
        yield Update(torch.stack(losses).sum())
        if self.settings.discrepancy_weight > 0:
            _, first, second = heads(network.features(inputs))
            self.task.meter.add(3 * heads.operations * len(inputs))
            yield Update(PULL * discrepancy(first, second).mean(), ("networks",))

    def warmup_of(self, number: int, batch: Batch) -> Tensor:
        """Cross-entropy of a network, with the confidence penalty, and of its heads, on the given labels."""
        task, network = self.task, self.task.networks[number]
        labels = task.given_labels[batch.index].to(task.device)
        features = network.features(batch.view())
        own = network.head(features).float()
        of_heads = self.heads_of(number)(features.detach())[1:]
        self.task.meter.add(3 * self.heads_of(number).operations * len(labels))
        fits = [
            functional.cross_entropy(logits, labels, label_smoothing=task.label_smoothing)
            for logits in (own, *of_heads)
        ]
        return torch.stack(fits).sum() + self.settings.confidence_penalty * negative_entropy(own)
