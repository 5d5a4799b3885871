"""The paper's method (section 3.5): warm-up, then selection, correction and semi-supervised training.

Huang et al., "Learning with Instance-Dependent Noisy Labels by Anchor Hallucination and Hard Sample
Label Correction", ICIP 2024. docs/PAPER.md says how each silent point of the paper is read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.methods.anchor_votes import AnchorVotes, choose, voted_record
from labelmend.methods.base import Batch, Method, Scores, Task
from labelmend.methods.memory import Selections
from labelmend.methods.plan import OptimizerPlan, Progress, Step
from labelmend.semi.guess import average_guess
from labelmend.semi.losses import (
    negative_entropy,
    prior_penalty,
    ramp_up,
    semi_loss,
    soft_cross_entropy,
    uniform_prior,
)
from labelmend.semi.mixmatch import equal_parts, mixmatch_batch
from labelmend.semi.refine import label_weights, refine_labels
from labelmend.semi.sharpen import sharpen
from labelmend.verdicts.record import SampleRecord

MOST_STEPS = 1_000_000
"""Of a hallucinator at a time; a step is not cut short by the budget."""


@dataclass
class AnchorHallucinationSettings(MethodSettings):
    """Settings of the paper's method, in the order of its sections."""

    name: ClassVar[str] = "anchor_hallucination"
    RANGES: ClassVar = {
        "warmup": Range(0, 1),
        "confidence_penalty": Range(0),
        "easy_percent": Range(0, 100, low_open=True),
        "lambda_p": Range(0.5, 1),
        "anchors_per_sample": Range(1, 1000, whole=True),
        "hallucinator_first_steps": Range(0, MOST_STEPS, whole=True),
        "hallucinator_steps": Range(0, MOST_STEPS, whole=True),
        "lambda_conf": Range(0, 1, high_open=True),
        "max_votes": Range(1),
        "temperature": Range(0, low_open=True),
        "mixup_alpha": Range(0),
        "lambda_unlabelled": Range(0),
        "ramp": Range(0, 1),
        "prior_penalty": Range(0),
    }

    warmup: float = 0.3
    """Share of the budget for training on all given labels before the first selection."""
    confidence_penalty: float = 0.0
    """Weight of the negative entropy of predictions in the warm-up; DivideMix has 1 for asymmetric noise."""

    selection: Literal["balanced", "gmm"] = "balanced"
    """Easy set of equal class shares (eq. 1), or all samples of easiness above one half."""
    easy_percent: float = 60.0
    """P of eq. 1: easy samples in percent of all samples."""

    correction: bool = True
    """Correct hard samples by anchor votes; off, all hard samples are unlabelled."""
    hallucinator: Literal["learned", "closed_form"] = "learned"
    """Anchors from the trained network, or the minimiser of its similarity loss (a control)."""
    lambda_p: float = 0.6
    """Where anchors lie between two features: 0.5 half-way, 1 at the sample whose label they take."""
    anchors_per_sample: int = 9
    """Anchors from each easy sample, with partners of other classes."""
    hallucinator_first_steps: int = 1000
    """Steps of 256 pairs in which the hallucinator is trained before its first use."""
    hallucinator_steps: int = 100
    """Steps before each later use."""

    lambda_conf: float = 0.5
    """Share of anchors, those least similar to a hard sample, that are not valid."""
    surrounding: Literal["strict", "loose"] = "strict"
    """Voters: anchors whose nearest hard sample it is, or the nearest anchors whatever theirs is."""
    max_votes: int = 5
    """K: most anchors that vote on one hard sample."""

    temperature: float = 0.5
    """T of sharpening; 1 leaves guesses as they are."""
    mixup_alpha: float = 4.0
    """Beta parameter of mixup in semi-supervised steps."""
    lambda_unlabelled: float = 5.0
    """Weight of unlabelled samples: lambda_MSE of eq. 3."""
    ramp: float = 0.05
    """Share of the budget over which ``lambda_unlabelled`` rises from 0 after the warm-up."""
    prior_penalty: float = 1.0
    """Weight of DivideMix's penalty on the mean prediction; eq. 3 itself has none."""


class AnchorHallucination(Method):
    """Anchor hallucination and hard sample label correction, with one network."""

    Settings: ClassVar[type[MethodSettings]] = AnchorHallucinationSettings
    settings: AnchorHallucinationSettings
    prior: Tensor

    def __init__(self, settings: AnchorHallucinationSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.anchors = AnchorVotes(
            task,
            hallucinator=settings.hallucinator,
            lambda_p=settings.lambda_p,
            anchors_per_sample=settings.anchors_per_sample if settings.correction else 0,
            surrounding=settings.surrounding,
            max_votes=settings.max_votes,
            lambda_conf=settings.lambda_conf,
        )
        self.selections = Selections(len(task.given_labels), task.num_classes, self.anchors.reported)
        self.register_buffer("prior", uniform_prior(task.given_labels, task.num_classes), persistent=False)

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One for the network, one that the hallucinator training phase steps."""
        return super().optimizers(stage) | self.anchors.optimizers()

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """After the warm-up: select and correct; then one pass over the labelled samples (section 3.5)."""
        if progress.share < self.settings.warmup:
            return self.shuffled_steps()
        record, report = self.divide(self.task.score(self.task.averages[0]))
        self.selections.write(record, report, progress.epoch)
        parts = equal_parts(record.labelled, self.task.learnable, self.task.batch_size, self.task.generator)
        if parts is None:
            return self.shuffled_steps()
        return [Step({"labelled": labelled, "unlabelled": rest}) for labelled, rest in parts]

    def divide(self, scores: Scores, final: bool = False) -> tuple[SampleRecord, dict[str, float]]:
        """Sections 3.1 to 3.3 on one scoring pass: easy set, hallucinator, anchors, votes.

        In the final one samples whose evidence is against their label are put to the vote, not trusted.
        """
        started, settings, task = time.perf_counter(), self.settings, self.task
        chosen, neighbours = choose(
            scores, task, rule=self.settings.selection, percent=self.settings.easy_percent, final=final
        )
        first, later = settings.hallucinator_first_steps, settings.hallucinator_steps
        found = self.anchors.correct(scores.features, chosen.easy, later if self.selections.number else first)
        record = voted_record(scores.probabilities, chosen, found, task, neighbours)
        report = self.anchors.report(record, chosen, found) | {
            "selection_seconds": time.perf_counter() - started,
        }
        return record, report

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy on given labels in the warm-up, eq. 3 afterwards."""
        record = self.selections.last
        if record is not None:
            return self.semi_supervised_loss(batch, progress, record)
        task, penalty = self.task, self.settings.confidence_penalty
        targets = self.smoothed_labels(batch)
        logits = task.networks[0](batch.view()).float()
        loss = soft_cross_entropy(logits, targets.to(task.device))
        return loss + penalty * negative_entropy(logits) if penalty > 0 else loss

    def semi_supervised_loss(self, batch: Batch, progress: Progress, record: SampleRecord) -> Tensor:
        """Eq. 3 on two views of each sample, mixed over the whole step (section 3.4)."""
        task, settings = self.task, self.settings
        views = [batch.view(), batch.view()]
        with torch.no_grad():
            guess = average_guess([task.networks[0](view).float().softmax(1) for view in views])
        targets = self.targets(batch.index, guess, record)
        inputs, targets, num_labelled = mixmatch_batch(
            views, targets, record.labelled[batch.index], settings.mixup_alpha, task.generator
        )
        logits = task.networks[0](inputs).float()
        ramp = ramp_up(progress.share, settings.warmup, settings.ramp)
        loss = semi_loss(logits, targets, num_labelled, settings.lambda_unlabelled * ramp)
        if settings.prior_penalty > 0:
            loss = loss + settings.prior_penalty * prior_penalty(logits, self.prior)
        return loss

    def targets(self, index: Tensor, guess: Tensor, record: SampleRecord) -> Tensor:
        """Refined labels of labelled samples, sharpened guesses of the others, (B, C)."""
        given, corrected = self.task.given_labels[index], record.corrected[index]
        weight = label_weights(
            record.easiness[index], corrected, record.vote_share[index], given, self.task.trusted[index]
        )
        labels = torch.where(corrected >= 0, corrected, given)
        device, temperature = guess.device, self.settings.temperature
        refined = refine_labels(labels.to(device), weight.to(device), guess, temperature)
        labelled = record.labelled[index].to(device)
        return torch.where(labelled[:, None], refined, sharpen(guess, temperature))

    def metrics(self) -> dict[str, float]:
        """Counts of the last selection."""
        return self.selections.report

    def selection(self) -> SampleRecord | None:
        """The last selection, or None before the first one."""
        return self.selections.last

    @property
    def has_selected(self) -> bool:
        """Whether there was a selection."""
        return self.selections.last is not None

    def record(self) -> SampleRecord:
        """One last selection and vote with the final model."""
        return self.divide(self.task.score(self.final_model()), final=True)[0]
