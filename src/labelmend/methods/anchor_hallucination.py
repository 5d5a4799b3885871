"""The paper's method (section 3.5): warm-up, then selection, correction and semi-supervised training.

Huang et al., "Learning with Instance-Dependent Noisy Labels by Anchor Hallucination and Hard Sample
Label Correction", ICIP 2024. docs/PAPER.md says how each silent point of the paper is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from labelmend.config import MethodSettings, require
from labelmend.correction.loose import loose_votes
from labelmend.correction.nearest import AnchorBlock, match_anchors
from labelmend.correction.neighbours import neighbour_shares
from labelmend.correction.voting import TOP_ANCHORS, Votes, accept, validity_threshold, vote
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.partners import sample_partners
from labelmend.hallucination.train import train_hallucinator
from labelmend.methods.base import Batch, Method, Progress, Scores, Selection, Task
from labelmend.methods.cross_entropy import smooth
from labelmend.methods.mixup import mixup_loss
from labelmend.selection.clean import looks_clean
from labelmend.selection.easiness import loss_mixture
from labelmend.selection.easy_set import select_by_threshold, select_easy
from labelmend.selection.label_quality import label_quality
from labelmend.selection.noise_rate import estimate_noise_rate
from labelmend.ssl.guess import average_guess
from labelmend.ssl.losses import prior_penalty, ramp_up, ssl_loss, weighted_cross_entropy
from labelmend.ssl.mixup import mixup, mixup_coefficients
from labelmend.ssl.posterior import estimate_transition, label_posterior, labels_follow_classes
from labelmend.ssl.refine import refine_labels
from labelmend.ssl.sharpen import sharpen
from labelmend.tensors import pack, unpack
from labelmend.training.checkpoint import load_optimizer_tensors, optimizer_tensors
from labelmend.verdicts.table import (
    EASY,
    HARD_CLEAN,
    HARD_CORRECTED,
    UNCERTAIN,
    VERDICTS,
    SampleVerdicts,
)

ANCHOR_BLOCK = 8192

# Where labels look clean, a hard image is a likelier cause of a deviant vote than a wrong label.
SURE = 0.9


@dataclass
class AnchorHallucinationSettings(MethodSettings):
    """Settings of the paper's method, in the order of its sections."""

    name: ClassVar[str] = "anchor_hallucination"

    warmup: float = 0.3
    """Share of the budget for training on all given labels before the first selection."""
    warmup_mixup: float = 1.0
    """Beta parameter of mixup in the warm-up; 0 for plain cross-entropy."""
    refresh: int = 1
    """Epochs from one selection to the next; the paper selects anew every epoch."""

    selection: Literal["balanced", "gmm"] = "balanced"
    """Easy set of equal class shares (eq. 1), or all samples of easiness above ``gmm_threshold``."""
    easy_percent: float = 60.0
    """P of eq. 1: easy samples in percent of all samples."""
    rank_by: Literal["easiness", "loss"] = "easiness"
    """What ranks the samples of a class; easiness saturates, and ties go by loss."""
    gmm_threshold: float = 0.5
    """Easiness above which a sample is easy with ``selection: gmm``."""

    correction: bool = True
    """Correct hard samples by anchor votes; off, all hard samples are unlabelled."""
    hallucinator: Literal["learned", "closed_form"] = "learned"
    """Anchors from the trained network, or the minimiser of its similarity loss (a control)."""
    lambda_p: float = 0.6
    """Where anchors lie between two features: 0.5 half-way, 1 at the sample whose label they take."""
    anchors_per_sample: int = 9
    """Anchors from each easy sample, with partners of other classes."""
    hallucinator_first_epochs: int = 5
    """Passes over the easy set before the hallucinator is used for the first time."""
    hallucinator_epochs: int = 1
    """Passes over the easy set before each later use."""
    hallucinator_lr: float = 1e-3
    """Learning rate of its Adam optimiser."""

    lambda_conf: float = 0.5
    """Similarity above which an anchor is valid, as ``lambda_conf_mode`` says."""
    lambda_conf_mode: Literal["absolute", "quantile"] = "quantile"
    """A cosine similarity, or the share of anchors, least similar first, that are not valid."""
    centre_features: bool = False
    """Measure similarity from the mean feature: raw cosines of non-negative features are all high."""
    surrounding: Literal["strict", "loose"] = "strict"
    """Voters: anchors whose nearest hard sample it is, or the nearest anchors whatever theirs is."""
    max_votes: int = 5
    """K: most anchors that vote on one hard sample."""
    min_votes: int = 1
    """Fewest anchors for a vote to be taken."""
    min_agreement: float = 0.0
    """Smallest share of the votes for the winning class for a vote to be taken."""
    corrected_weight: Literal["share", "easiness", "one"] = "share"
    """Weight of a voted label in refinement: its vote share, the sample's easiness, or 1."""

    views: int = 2
    """Augmented copies of each image in a semi-supervised step."""
    strong_views: bool = False
    """Whether the network learns on strong views; guesses always come from weak ones."""
    guesses: Literal["fresh", "cached"] = "fresh"
    """Guessed labels from the views of each step (the paper), or from the last scoring pass."""
    neighbours: int = 0
    """Nearest easy samples whose labels are half of the guess of a scoring pass; 0 for none."""
    guess_momentum: float = 0.0
    """Share of the earlier guess kept in each cached guess."""
    teacher: Literal["network", "average"] = "network"
    """What makes fresh guesses: the network in training, or its weight average."""
    temperature: float = 0.5
    """T of sharpening; 1 leaves guesses as they are."""
    mixup_alpha: float = 4.0
    """Beta parameter of mixup in semi-supervised steps."""
    lambda_unlabelled: float = 5.0
    """Weight of unlabelled samples: lambda_MSE of eq. 3, or of their cross-entropy."""
    ramp: float = 0.05
    """Share of the budget over which ``lambda_unlabelled`` rises from 0 after the warm-up."""
    prior_penalty: float = 1.0
    """Weight of DivideMix's penalty on the mean prediction; eq. 3 itself has none."""
    unlabelled_loss: Literal["mse", "ce"] = "mse"
    """Loss of unlabelled samples: eq. 3's squared error, or cross-entropy with the guesses."""
    posterior: Literal["none", "unlabelled", "all", "auto"] = "none"
    """Guesses that meet the given label by Bayes' rule; auto: all, or none where wrong labels suit images."""
    unlabelled: Literal["equal", "proportional"] = "equal"
    """Half of each step unlabelled (the paper), or its share of all samples."""

    def __post_init__(self) -> None:
        """Validate the values."""
        for flag in ("warmup", "gmm_threshold", "min_agreement", "guess_momentum", "ramp"):
            require(0 <= getattr(self, flag) <= 1, flag, getattr(self, flag), "in [0, 1]")
        for flag in ("warmup_mixup", "mixup_alpha", "lambda_unlabelled", "prior_penalty"):
            require(getattr(self, flag) >= 0, flag, getattr(self, flag), "0 or more")
        for flag in ("anchors_per_sample", "max_votes", "min_votes", "views"):
            require(getattr(self, flag) >= 1, flag, getattr(self, flag), "at least 1")
        for flag in ("hallucinator_first_epochs", "hallucinator_epochs"):
            require(getattr(self, flag) >= 0, flag, getattr(self, flag), "0 or more")
        require(self.neighbours >= 0, "neighbours", self.neighbours, "0 or more")
        if self.posterior == "auto":
            require(self.neighbours > 0, "neighbours", self.neighbours, "1 or more with posterior: auto")
        require(self.refresh >= 1, "refresh", self.refresh, "at least 1")
        if self.lambda_conf_mode == "absolute":
            require(-1 <= self.lambda_conf <= 1, "lambda_conf", self.lambda_conf, "from -1 to 1")
        else:
            require(0 <= self.lambda_conf < 1, "lambda_conf", self.lambda_conf, "from 0 to below 1")
        require(0 < self.easy_percent <= 100, "easy_percent", self.easy_percent, "above 0, at most 100")
        require(0.5 <= self.lambda_p <= 1, "lambda_p", self.lambda_p, "in [0.5, 1]")
        require(self.temperature > 0, "temperature", self.temperature, "above 0")
        require(self.hallucinator_lr > 0, "hallucinator_lr", self.hallucinator_lr, "above 0")


@dataclass(frozen=True)
class Partition:
    """The training samples, sorted by the last selection; tensors over the N samples.

    Attributes:
        easy: bool, S_e.
        corrected: int64, voted label of each sample of S_h^c; -1 elsewhere.
        weight: float32 in [0, 1], trust in the label of each labelled sample.
        easiness: float32 in [0, 1].
        label_quality: float32 in [0, 1], low = suspicious.
        guess: float32 (N, C), class probabilities as ``scored_guess`` makes them.
        transition: float32 (C, C), estimated T[true, given].
        bayes: bool, whether Bayes' rule may combine guesses with given labels.
        votes: int32, anchors that voted on each sample.
        vote_share: float32 in [0, 1], share of them for the winner.
        sources: int64 (N, 3), easy samples behind the nearest anchors, -1 where there are none.
    """

    easy: Tensor
    corrected: Tensor
    weight: Tensor
    easiness: Tensor
    label_quality: Tensor
    guess: Tensor
    transition: Tensor
    bayes: Tensor
    votes: Tensor
    vote_share: Tensor
    sources: Tensor

    @property
    def labelled(self) -> Tensor:
        """Bool (N,): easy samples and hard ones with a voted label."""
        return self.easy | (self.corrected >= 0)


class AnchorHallucination(Method):
    """Anchor hallucination and hard sample label correction, with one network."""

    Settings: ClassVar[type[MethodSettings]] = AnchorHallucinationSettings
    settings: AnchorHallucinationSettings

    def __init__(self, settings: AnchorHallucinationSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.hallucinator = Hallucinator(task.networks[0].feature_dim, generator=task.generator)
        self.hallucinator.to(task.device)
        self.hallucinator_optimizer = torch.optim.Adam(
            self.hallucinator.parameters(), lr=settings.hallucinator_lr
        )
        self.partition: Partition | None = None
        self.selections = 0
        self.selected_at = 0
        self.report: dict[str, float] = {}

    def start_epoch(self, progress: Progress) -> list[Tensor]:
        """Select and correct where it is due; then one pass over the labelled samples (section 3.5)."""
        if progress.share < self.settings.warmup:
            return self.shuffled_steps()
        if self.partition is None or progress.epoch - self.selected_at >= self.settings.refresh:
            self.partition = self.divide(self.task.score(self.task.averages[0]))
            self.selected_at = progress.epoch
        return self.semi_supervised_steps(self.partition.labelled)

    def semi_supervised_steps(self, labelled: Tensor) -> list[Tensor]:
        """Sample indices of each step; see ``unlabelled`` in the settings."""
        generator, size = self.task.generator, self.task.batch_size
        inside, outside = labelled.nonzero()[:, 0], (~labelled).nonzero()[:, 0]
        if self.settings.unlabelled == "proportional" or not len(inside) or not len(outside):
            return self.shuffled_steps()
        half = max(size // 2, 1)
        steps = list(inside[torch.randperm(len(inside), generator=generator)].split(half))
        needed = sum(len(step) for step in steps)
        passes = -(-needed // len(outside))
        cycle = torch.cat([outside[torch.randperm(len(outside), generator=generator)] for _ in range(passes)])
        chunks = cycle[:needed].split([len(step) for step in steps])
        return [torch.cat(pair) for pair in zip(steps, chunks, strict=True)]

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy on given labels in the warm-up, eq. 3 afterwards."""
        task, settings = self.task, self.settings
        if self.partition is None:
            labels = task.given_labels[batch.index]
            targets = smooth(labels, task.num_classes, task.label_smoothing).to(task.device)
            return mixup_loss(task, batch.view(), targets, settings.warmup_mixup)
        return self.semi_supervised_loss(batch, progress, self.partition)

    def semi_supervised_loss(self, batch: Batch, progress: Progress, partition: Partition) -> Tensor:
        """Eq. 3 on views mixed over the whole step, labelled samples first (section 3.4)."""
        task, settings = self.task, self.settings
        weak = [batch.view() for _ in range(settings.views)] if self._needs_weak_views() else []
        guess = self.guess(batch.index, weak, partition)
        targets = self.targets(batch.index, guess, partition)
        images = [batch.view(strong=True) for _ in range(settings.views)] if settings.strong_views else weak

        labelled = partition.labelled[batch.index].repeat(settings.views)
        order = torch.argsort((~labelled).to(torch.int8), stable=True).to(task.device)
        inputs, targets = torch.cat(images)[order], targets.repeat(settings.views, 1)[order]
        coefficient = mixup_coefficients(settings.mixup_alpha, task.generator)
        permutation = torch.randperm(len(inputs), generator=task.generator).to(task.device)
        inputs, targets = mixup(inputs, targets, coefficient, permutation)
        logits = task.networks[0](inputs).float()
        ramp = ramp_up(progress.share, settings.warmup, settings.ramp)
        form = ssl_loss if settings.unlabelled_loss == "mse" else weighted_cross_entropy
        loss = form(logits, targets, int(labelled.sum()), settings.lambda_unlabelled * ramp)
        if settings.prior_penalty > 0:
            loss = loss + settings.prior_penalty * prior_penalty(logits)
        return loss

    def _needs_weak_views(self) -> bool:
        return self.settings.guesses == "fresh" or not self.settings.strong_views

    def guess(self, index: Tensor, views: list[Tensor], partition: Partition) -> Tensor:
        """Guessed class probabilities (B, C) of a step's samples (section 3.4)."""
        if self.settings.guesses == "cached":
            return partition.guess[index].to(self.task.device)
        teacher = (self.task.averages if self.settings.teacher == "average" else self.task.networks)[0]
        with torch.no_grad():
            return average_guess([teacher(view).float().softmax(1) for view in views])

    def targets(self, index: Tensor, guess: Tensor, partition: Partition) -> Tensor:
        """Refined labels of labelled samples, sharpened guesses of the others, (B, C)."""
        device, temperature = self.task.device, self.settings.temperature
        given = self.task.given_labels[index].to(device)
        corrected = partition.corrected[index].to(device)
        labels = torch.where(corrected >= 0, corrected, given)
        weight = partition.weight[index].to(device)
        posterior = guess
        if partition.bayes:
            posterior = label_posterior(guess, given, partition.transition.to(device))
        mixed_in = guess if self.settings.posterior == "unlabelled" else posterior
        refined = refine_labels(labels, weight, mixed_in, temperature)
        labelled = partition.labelled[index].to(device)
        return torch.where(labelled[:, None], refined, sharpen(posterior, temperature))

    def divide(self, scores: Scores) -> Partition:
        """Sections 3.1 to 3.3 on one scoring pass: easy set, hallucinator, anchors, votes."""
        started = time.perf_counter()
        task, given = self.task, self.task.given_labels
        own = scores.probabilities.gather(1, given[:, None])[:, 0]
        losses = -own.clamp(min=1e-12).log()
        mixture = loss_mixture(losses)
        easy = self.select(mixture.easiness, losses)
        hard = (~easy).nonzero()[:, 0]
        votes, sources, valid = self.correct(scores.features, easy, hard)

        taken = accept(votes, self.settings.min_votes, self.settings.min_agreement)
        corrected = torch.full_like(given, -1)
        corrected[hard[taken]] = votes.label[taken]
        omega, share = mixture.easiness, torch.zeros(len(given))
        share[hard] = votes.share
        weight = self.weigh(omega, corrected, share)
        counts = torch.zeros(len(given), dtype=torch.int32)
        counts[hard] = votes.votes
        all_sources = torch.full((len(given), TOP_ANCHORS), -1)
        all_sources[hard] = sources
        shares = self.neighbour_labels(scores.features, easy)
        guess = self.scored_guess(scores.probabilities, shares)
        transition = estimate_transition(guess, given)
        bayes = self.trusts_bayes(shares)
        quality = label_quality(guess, given, corrected, share)
        quality[task.trusted] = 1.0
        self.selections += 1
        confirmed = corrected == given
        self.report = {
            "easy": float(easy.sum()),
            "valid_anchors": float(valid),
            "hard_kept": float((confirmed & ~easy).sum()),
            "hard_corrected": float(((corrected >= 0) & ~confirmed).sum()),
            "uncertain": float((~easy & (corrected < 0)).sum()),
            "estimated_noise_rate": estimate_noise_rate(guess, given),
            "mixture_collapsed": float(mixture.collapsed),
            "bayes": float(bayes),
            "selection_seconds": time.perf_counter() - started,
        }
        return Partition(
            easy,
            corrected,
            weight,
            omega,
            quality,
            guess,
            transition,
            torch.tensor(bayes),
            counts,
            share,
            all_sources,
        )

    def neighbour_labels(self, features: Tensor, easy: Tensor) -> Tensor | None:
        """Labels of the nearest other easy samples of each sample, shares (N, C); None without them."""
        if not self.settings.neighbours:
            return None
        device = self.task.device
        shares = neighbour_shares(
            features.to(device),
            easy.to(device),
            self.task.given_labels.to(device),
            self.task.num_classes,
            self.settings.neighbours,
        )
        return shares.to(features.device)

    def scored_guess(self, probabilities: Tensor, shares: Tensor | None) -> Tensor:
        """Class probabilities (N, C) from the network, the labels of easy neighbours, the guess before."""
        kept = self.settings.guess_momentum
        guess = probabilities if shares is None else (probabilities + shares) / 2
        if self.partition is None:
            return guess
        return kept * self.partition.guess + (1 - kept) * guess

    def trusts_bayes(self, shares: Tensor | None) -> bool:
        """Whether Bayes' rule combines guesses with given labels, as ``posterior`` says.

        The first selection decides for all: later features have learned from the guesses in question.
        """
        if self.settings.posterior != "auto" or shares is None:
            return self.settings.posterior != "none"
        if self.partition is not None:
            return bool(self.partition.bayes)
        return labels_follow_classes(shares, self.task.given_labels, self.settings.neighbours)

    def select(self, omega: Tensor, losses: Tensor) -> Tensor:
        """The easy set S_e, bool (N,) (section 3.1)."""
        settings, task = self.settings, self.task
        if settings.selection == "gmm":
            return select_by_threshold(omega, settings.gmm_threshold) | task.trusted
        return select_easy(
            task.given_labels,
            omega,
            losses,
            task.num_classes,
            settings.easy_percent,
            settings.rank_by,
            task.trusted,
        )

    def correct(self, features: Tensor, easy: Tensor, hard: Tensor) -> tuple[Votes, Tensor, int]:
        """Votes on the hard samples, easy samples behind them, valid anchors (sections 3.2, 3.3)."""
        settings, task = self.settings, self.task
        members = easy.nonzero()[:, 0]
        labels = task.given_labels[members]
        partners = torch.empty(len(members), 0, dtype=torch.int64)
        if settings.correction and len(hard):
            partners = sample_partners(labels, settings.anchors_per_sample, task.generator)
        easy_features, hard_features = features[members].to(task.device), features[hard].to(task.device)
        origin = features.mean(0) if settings.centre_features else torch.zeros_like(features[0])
        origin = origin.to(task.device)
        if partners.numel() and settings.hallucinator == "learned":
            self.train_hallucinator(easy_features, labels.to(task.device))

        def blocks() -> Iterator[AnchorBlock]:
            for anchors, anchor_labels, source in self.anchors(easy_features, labels, partners):
                yield anchors - origin, anchor_labels, source

        hard_features = hard_features - origin
        matches = match_anchors(blocks(), hard_features)
        threshold = validity_threshold(matches.similarity, settings.lambda_conf, settings.lambda_conf_mode)
        valid = matches.similarity > threshold
        if settings.surrounding == "strict":
            votes = vote(
                matches.nearest,
                matches.similarity,
                matches.labels,
                valid,
                len(hard),
                task.num_classes,
                settings.max_votes,
            )
        else:
            votes = loose_votes(blocks(), hard_features, threshold, task.num_classes, settings.max_votes)
        if not len(matches.source):
            return votes, torch.full_like(votes.top, -1), 0
        sources = members[matches.source.cpu()[votes.top.clamp(min=0)]]
        return votes, torch.where(votes.top >= 0, sources, -1), int(valid.sum())

    def anchors(self, features: Tensor, labels: Tensor, partners: Tensor) -> Iterator[AnchorBlock]:
        """All anchors of the easy set, some at a time (section 3.2)."""
        per_sample = partners.shape[1]
        if per_sample == 0:
            return
        for rows in torch.arange(len(labels)).split(max(ANCHOR_BLOCK // per_sample, 1)):
            source = rows.repeat_interleave(per_sample)
            s_u, s_v = features[source], features[partners[rows].flatten()]
            if self.settings.hallucinator == "learned":
                with torch.no_grad():
                    made = self.hallucinator(s_u, s_v)
            else:
                made = closed_form_anchors(s_u, s_v, self.settings.lambda_p)
            yield made, labels[source], source

    def train_hallucinator(self, features: Tensor, labels: Tensor) -> None:
        """The hallucinator training phase, with f and g frozen (section 3.5)."""
        first, later = self.settings.hallucinator_first_epochs, self.settings.hallucinator_epochs
        with torch.enable_grad():
            train_hallucinator(
                self.hallucinator,
                self.hallucinator_optimizer,
                self.task.averages[0].head,
                features,
                labels,
                self.settings.lambda_p,
                later if self.selections else first,
                generator=self.task.generator,
            )

    def weigh(self, omega: Tensor, corrected: Tensor, share: Tensor) -> Tensor:
        """Trust in the label of each labelled sample: easiness, or that of its vote (section 3.4)."""
        voted = corrected >= 0
        if self.settings.corrected_weight == "easiness":
            trust = omega
        elif self.settings.corrected_weight == "one":
            trust = torch.ones_like(omega)
        else:
            confirmed = corrected == self.task.given_labels
            trust = torch.where(confirmed, torch.maximum(omega, share), share)
        weight = torch.where(voted, trust, omega)
        return torch.where(self.task.trusted, torch.ones_like(weight), weight)

    def metrics(self) -> dict[str, float]:
        """Counts of the last selection."""
        return self.report

    def selection(self) -> Selection | None:
        """The current selection, or None before the first one."""
        if self.partition is None:
            return None
        return Selection(self.partition.easy, self.partition.corrected, self.partition.label_quality)

    def state_dict(self) -> dict[str, Tensor]:
        """Hallucinator, its optimiser, the partition and the counters."""
        state = {
            **pack(self.hallucinator.state_dict(), "hallucinator"),
            **pack(optimizer_tensors(self.hallucinator_optimizer), "hallucinator_optimizer"),
            "selections": torch.tensor(self.selections),
            "selected_at": torch.tensor(self.selected_at),
        }
        for name, value in self.report.items():
            state[f"report.{name}"] = torch.tensor(value, dtype=torch.float64)
        if self.partition is not None:
            state |= pack(dict(vars(self.partition)), "partition")
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what ``state_dict`` returned."""
        self.hallucinator.load_state_dict(unpack(state, "hallucinator"))
        load_optimizer_tensors(self.hallucinator_optimizer, unpack(state, "hallucinator_optimizer"))
        self.selections, self.selected_at = int(state["selections"]), int(state["selected_at"])
        self.report = {name: float(value) for name, value in unpack(state, "report").items()}
        partition = unpack(state, "partition")
        self.partition = Partition(**partition) if partition else None

    def verdicts(self) -> SampleVerdicts:
        """One last selection and vote with the final model, sorted into the paper's sets."""
        scores = self.task.score(self.task.averages[0])
        final = self.divide(scores)
        given, probabilities = self.task.given_labels, scores.probabilities
        voted, confirmed = final.corrected >= 0, final.corrected == given
        # A suggestion that the model itself finds less probable than the given label is none.
        own = probabilities.gather(1, given[:, None])[:, 0]
        suggestible = probabilities.gather(1, final.corrected.clamp(min=0)[:, None])[:, 0] > own
        certainty = torch.zeros(len(given))
        certainty[voted] = probabilities[voted].gather(1, final.corrected[voted][:, None])[:, 0]
        certainty = (certainty + final.vote_share) / 2
        if looks_clean(probabilities, given):
            suggestible &= certainty >= SURE
        voted &= confirmed | suggestible
        verdict = torch.full_like(given, VERDICTS.index(UNCERTAIN))
        verdict[voted & confirmed] = VERDICTS.index(HARD_CLEAN)
        verdict[voted & ~confirmed] = VERDICTS.index(HARD_CORRECTED)
        verdict[final.easy] = VERDICTS.index(EASY)
        suggested = torch.where(voted & ~final.easy, final.corrected, given)
        confidence = probabilities.gather(1, suggested[:, None])[:, 0]
        confidence = torch.where(voted, certainty, confidence)
        return SampleVerdicts(
            probabilities=probabilities.numpy(),
            easiness=final.easiness.numpy(),
            verdict=verdict.to(torch.int8).numpy(),
            suggested=suggested.numpy(),
            confidence=confidence.numpy(),
            label_quality=final.label_quality.numpy(),
            votes=final.votes.numpy(),
            vote_share=final.vote_share.numpy(),
            sources=final.sources.numpy(),
        )
