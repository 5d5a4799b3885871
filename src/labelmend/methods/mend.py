"""``mend``, the default: the paper's steps, and what measurements say is worth having, on one network.

From the paper (``anchor_hallucination``): the class-balanced easy set, anchors between easy features, votes.
Added: similarities measured from the mean feature, votes of all anchors around a sample, labels of easy
neighbours in the guesses, Bayes' rule where it fits, guesses kept from scoring passes, strong views, mixup
from the start. docs/BENCHMARKS.md says what that gives, docs/LOG.md what each part was chosen by.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range, require
from labelmend.correction.neighbours import neighbour_lists, neighbour_shares
from labelmend.methods.anchor_votes import AnchorVotes, choose, voted_record
from labelmend.methods.base import Batch, Method, Scores, Task
from labelmend.methods.memory import Selections
from labelmend.methods.mixup import mixup_loss
from labelmend.methods.plan import OptimizerPlan, Progress, Step
from labelmend.models.frozen import FoldedHeads, known_classes, refit
from labelmend.selection.balance import balanced
from labelmend.semi.losses import ramp_up, weighted_cross_entropy
from labelmend.semi.mixmatch import mixmatch_batch
from labelmend.semi.refine import label_weights, refine_labels
from labelmend.semi.sharpen import sharpen
from labelmend.transition.posterior import estimate_transition, label_posterior, labels_follow_classes
from labelmend.verdicts.issues import believed_labels, undoubted_labels
from labelmend.verdicts.record import SampleRecord

# Share of the earlier guess that each new one keeps: one scoring pass alone is noisy.
KEPT_GUESS = 0.5

# Share of the budget over which unlabelled samples gain their full weight after the warm-up.
RAMP = 0.05

# Epochs after which the warm-up ends on few images, however long the budget: networks learn those by heart.
LONGEST_WARMUP, FEW_IMAGES = 30, 5_000

# Steps that train a hallucinator before its first use, and before each later one.
FIRST_STEPS, LATER_STEPS = 1000, 100


@dataclass
class MendSettings(MethodSettings):
    """Settings of ``mend``, in the order of its steps."""

    name: ClassVar[str] = "mend"
    RANGES: ClassVar = {
        "warmup": Range(0, 1),
        "warmup_mixup": Range(0),
        "refresh": Range(1),
        "easy_percent": Range(0, 100, low_open=True),
        "lambda_p": Range(0.5, 1),
        "anchors_per_sample": Range(1, 1000, whole=True),
        "max_votes": Range(1),
        "min_votes": Range(1),
        "min_agreement": Range(0, 1),
        "neighbours": Range(0),
        "temperature": Range(0, low_open=True),
        "mixup_alpha": Range(0),
    }

    warmup: float = 0.4
    """Share of the budget for training on all given labels before the first selection.

    Fewer than 5,000 images have at most 30 epochs of it, whatever share that is below 1.
    """
    warmup_mixup: float = 1.0
    """Beta parameter of mixup in the warm-up; 0 for plain cross-entropy."""
    refresh: int = 4
    """Epochs from one selection to the next."""

    selection: Literal["balanced", "gmm"] = "balanced"
    """Easy set of equal class shares (eq. 1), or all samples of easiness above one half."""
    easy_percent: float = 60.0
    """P of eq. 1: easy samples in percent of all samples."""

    correction: bool = True
    """Correct hard samples by anchor votes; off, all hard samples are unlabelled."""
    hallucinator: Literal["learned", "closed_form"] = "closed_form"
    """Anchors from a trained network, or the minimiser of its similarity loss."""
    lambda_p: float = 0.8
    """Where anchors lie between two features: 0.5 half-way, 1 at the sample whose label they take."""
    anchors_per_sample: int = 4
    """Anchors from each easy sample, with partners of other classes."""
    max_votes: int = 9
    """K: most anchors that vote on one hard sample."""
    min_votes: int = 3
    """Fewest anchors for a vote to be taken."""
    min_agreement: float = 0.8
    """Smallest share of the votes for the winning class for a vote to be taken."""

    neighbours: int = 50
    """Nearest easy samples whose labels are half of the guess of a scoring pass; 0 for none."""
    posterior: Literal["none", "unlabelled", "all", "auto"] = "auto"
    """Guesses that meet the given label by Bayes' rule; auto: all, or none where wrong labels suit images."""
    strong_views: bool = True
    """Whether the network learns on strong views after the warm-up."""
    temperature: float = 1.0
    """T of sharpening; 1 leaves guesses as they are."""
    mixup_alpha: float = 0.2
    """Beta parameter of mixup after the warm-up."""

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        require(
            self.min_votes <= self.max_votes,
            "min_votes",
            self.min_votes,
            f"at most --max-votes, which is {self.max_votes}: no vote would be taken",
        )
        if self.posterior == "auto":
            require(
                self.neighbours > 0,
                "neighbours",
                self.neighbours,
                "1 or more with --posterior auto; --posterior all or none does without neighbours",
            )


class Mend(Method):
    """Easy samples, votes and neighbours make targets that one network learns, with mixup."""

    Settings: ClassVar[type[MethodSettings]] = MendSettings
    settings: MendSettings
    transition: Tensor

    def __init__(self, settings: MendSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.anchors = AnchorVotes(
            task,
            hallucinator=settings.hallucinator,
            lambda_p=settings.lambda_p,
            anchors_per_sample=settings.anchors_per_sample if settings.correction else 0,
            surrounding="loose",
            max_votes=settings.max_votes,
            min_votes=settings.min_votes,
            min_agreement=settings.min_agreement,
            centred=True,
        )
        self.selections = Selections(
            len(task.given_labels), task.num_classes, (*self.anchors.reported, "bayes"), settings.warmup
        )
        self.register_buffer("transition", torch.eye(task.num_classes))
        few = int(task.learnable.sum()) < FEW_IMAGES
        self.longest_warmup = LONGEST_WARMUP if few and settings.warmup < 1 else math.inf
        self.lists: Tensor | None = None

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """One for the network, and one that the hallucinator training phase steps, if there is one."""
        return super().optimizers(stage) | self.anchors.optimizers()

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """Select and correct where it is due, as if classes were of one size; one pass over all samples."""
        due = self.selections.due(progress.epoch, self.settings.refresh)
        warmed_up = progress.share >= self.settings.warmup or progress.epoch > self.longest_warmup
        if warmed_up and due:
            self.selections.begin(progress.share)
            scores = self.task.score(self.task.averages[0])
            even = balanced(scores.probabilities, self.task.given_labels)
            record, report = self.divide(replace(scores, probabilities=even))
            self.transition.copy_(estimate_transition(record.probabilities, self.task.given_labels))
            self.selections.write(record, report, progress.epoch)
        return self.shuffled_steps()

    def end_stage(self, progress: Progress) -> None:
        """Fit heads on frozen features anew, to the labels that the finished model keeps or suggests.

        Where more labels are wrong than these leave out, there is a second fit without what the heads doubt.
        """
        task = self.task
        if task.fold_of is None:
            return
        network = task.averages[0]
        scores = task.score(network)
        labels = believed_labels(self.judged(scores), task.given_labels, task.trusted)
        heads = network.classifier
        assert isinstance(heads, FoldedHeads)
        learned = self.fit_heads(heads, scores.features, labels)
        held_out = task.score(network).probabilities
        known = known_classes(learned, task.fold_of, task.num_classes)
        undoubted = undoubted_labels(labels, task.given_labels, held_out, task.trusted, known)
        if not torch.equal(undoubted, labels):
            self.fit_heads(heads, scores.features, undoubted)

    def fit_heads(self, heads: FoldedHeads, features: Tensor, labels: Tensor) -> Tensor:
        """Fit heads to labels, int64 (N,), less those held out; returns what is left, -1 for none."""
        task = self.task
        assert task.fold_of is not None
        learned = torch.where(task.learnable, labels.cpu(), -1)
        task.meter.add(refit(heads, features, learned, task.fold_of))
        return learned

    def divide(self, scores: Scores, final: bool = False) -> tuple[SampleRecord, dict[str, float]]:
        """One scoring pass: easy set, anchors, votes, guesses, and whether Bayes' rule fits.

        In the final one samples whose evidence is against their label are put to the vote, not trusted.
        """
        started, task = time.perf_counter(), self.task
        lists = self.listed(scores.features)
        chosen, neighbours = choose(
            scores,
            task,
            rule=self.settings.selection,
            percent=self.settings.easy_percent,
            final=final,
            lists=lists,
        )
        steps = LATER_STEPS if self.selections.number else FIRST_STEPS
        found = self.anchors.correct(scores.features, chosen.easy, steps)
        shares = self.neighbour_labels(scores.features, chosen.easy, lists)
        guess = self.guess(scores.probabilities, shares)
        record = voted_record(guess, chosen, found, task, neighbours)
        report = self.anchors.report(record, chosen, found) | {
            "bayes": float(self.trusts_bayes(shares)),
            "selection_seconds": time.perf_counter() - started,
        }
        return record, report

    def listed(self, features: Tensor) -> Tensor | None:
        """Neighbours of all samples where features are frozen, the same at every selection; else None.

        A resumed run lists again what it has paid for.
        """
        task, number = self.task, self.settings.neighbours
        if task.fold_of is None or not number:
            return None
        if self.lists is None:
            self.lists = neighbour_lists(features.to(task.device), number)
        if self.selections.last is None:
            task.meter.add(2.0 * len(features) ** 2 * features.shape[1])
        return self.lists

    def neighbour_labels(self, features: Tensor, easy: Tensor, lists: Tensor | None) -> Tensor | None:
        """Labels of the nearest other easy samples of each sample, shares (N, C); None without them."""
        task, device, number = self.task, self.task.device, self.settings.neighbours
        if not number:
            return None
        given = task.given_labels.to(device)
        with task.meter.counting():
            shares = neighbour_shares(
                features.to(device), easy.to(device), given, task.num_classes, number, lists, task.together
            )
        return shares.to(features.device)

    def guess(self, probabilities: Tensor, shares: Tensor | None) -> Tensor:
        """Class probabilities (N, C) from the network, the labels of easy neighbours, the guess before."""
        new = probabilities if shares is None else (probabilities + shares) / 2
        last = self.selections.last
        return new if last is None else KEPT_GUESS * last.probabilities + (1 - KEPT_GUESS) * new

    def trusts_bayes(self, shares: Tensor | None) -> bool:
        """Whether Bayes' rule combines guesses with given labels, as ``posterior`` says.

        The first selection decides for all: later features have learned from the guesses in question.
        """
        if self.settings.posterior != "auto" or shares is None:
            return self.settings.posterior != "none"
        if self.selections.last is not None:
            return bool(self.selections.report["bayes"])
        return labels_follow_classes(shares, self.task.given_labels, self.settings.neighbours)

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mixup on given labels in the warm-up, on targets made by the last selection afterwards."""
        task, settings, record = self.task, self.settings, self.selections.last
        if record is None:
            targets = self.smoothed_labels(batch)
            return mixup_loss(task, batch.view(), targets.to(task.device), settings.warmup_mixup)
        inputs, targets, num_labelled = mixmatch_batch(
            [batch.view(strong=settings.strong_views)],
            self.targets(batch.index, record),
            record.labelled[batch.index],
            settings.mixup_alpha,
            task.generator,
        )
        weight = ramp_up(progress.share, float(self.selections.began), RAMP)
        return weighted_cross_entropy(task.networks[0](inputs).float(), targets, num_labelled, weight)

    def targets(self, index: Tensor, record: SampleRecord) -> Tensor:
        """Refined labels of labelled samples, guesses of the others, (B, C), on the device."""
        device, settings = self.task.device, self.settings
        given, corrected = self.task.given_labels[index], record.corrected[index]
        weight = label_weights(
            record.easiness[index], corrected, record.vote_share[index], given, self.task.trusted[index]
        )
        labels = torch.where(corrected >= 0, corrected, given)
        guess = posterior = record.probabilities[index].to(device)
        if self.selections.report["bayes"]:
            posterior = label_posterior(guess, given.to(device), self.transition)
        mixed_in = guess if settings.posterior == "unlabelled" else posterior
        refined = refine_labels(labels.to(device), weight.to(device), mixed_in, settings.temperature)
        labelled = record.labelled[index].to(device)
        return torch.where(labelled[:, None], refined, sharpen(posterior, settings.temperature))

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
        """One last selection and vote with the final model, whose own probabilities stand in the record."""
        return self.judged(self.task.score(self.final_model()))

    def judged(self, scores: Scores) -> SampleRecord:
        """One more selection and vote, with the network's own probabilities in the record."""
        return replace(self.divide(scores, final=True)[0], probabilities=scores.probabilities)
