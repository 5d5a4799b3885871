"""Sections 3.2 and 3.3 as a part of a method: anchors between easy features vote on hard samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from labelmend.correction import anchor_quality
from labelmend.correction.correct import Corrections, correct
from labelmend.errors import LabelmendWarning
from labelmend.hallucination.anchors import AnchorBlock, AnchorMaker, anchor_blocks
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.partners import sample_partners
from labelmend.hallucination.train import train_hallucinator, training_operations
from labelmend.methods.base import Scores, Task
from labelmend.methods.plan import OptimizerPlan, ParameterGroup, Schedule
from labelmend.selection.label_quality import label_quality
from labelmend.selection.noise_rate import estimate_noise_rate
from labelmend.selection.select import EasySet, select
from labelmend.verdicts.evidence import NO_LABEL, Neighbours, agrees, ask_neighbours
from labelmend.verdicts.record import SampleRecord

REPORTED = (
    "easy",
    "valid_anchors",
    "hard_kept",
    "hard_corrected",
    "uncertain",
    "estimated_noise_rate",
    "mixture_collapsed",
    "selection_seconds",
)
"""Numbers that are reported of each selection."""

OPTIMIZER = "hallucinator"
HALLUCINATOR_LR = 1e-3

# Anchors of a label that a person confirmed, to one of another label.
TRUSTED_TIMES = 3


class AnchorVotes(nn.Module):
    """Makes anchors, by a hallucinator of its own or in closed form, and lets them vote.

    Args:
        task: of the method.
        hallucinator: ``learned`` trains a network, ``closed_form`` is the minimiser of its similarity loss.
        lambda_p: where anchors lie between two features, in [0.5, 1].
        anchors_per_sample: anchors from each easy sample; 0 for no votes at all.
        surrounding: which anchors vote on a hard sample; see ``correct``, as for the rest.
        max_votes: K.
        lambda_conf: share of anchors that are not valid, in [0, 1).
        min_votes: fewest anchors for a vote to be taken.
        min_agreement: smallest share of the votes for the winner.
        centred: whether similarity is measured from the mean feature: raw cosines of features that are not
            negative are all high.
    """

    warned: Tensor

    def __init__(
        self,
        task: Task,
        *,
        hallucinator: Literal["learned", "closed_form"],
        lambda_p: float,
        anchors_per_sample: int,
        surrounding: Literal["strict", "loose"],
        max_votes: int,
        lambda_conf: float = 0.5,
        min_votes: int = 1,
        min_agreement: float = 0.0,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.task = task
        self.lambda_p = lambda_p
        self.anchors_per_sample = anchors_per_sample
        self.centred = centred
        self.vote = partial(
            correct,
            num_classes=task.num_classes,
            lambda_conf=lambda_conf,
            surrounding=surrounding,
            max_votes=max_votes,
            min_votes=min_votes,
            min_agreement=min_agreement,
            device=task.device,
            together=task.together,
        )
        self.quality: dict[str, float] = {}
        self.register_buffer("warned", torch.tensor(False))
        self.hallucinator: Hallucinator | None = None
        if hallucinator == "learned":
            self.hallucinator = Hallucinator(task.networks[0].feature_dim, generator=task.generator)

    def optimizers(self) -> dict[str, OptimizerPlan]:
        """That of the hallucinator, stepped in its own training phase; none for closed-form anchors."""
        if self.hallucinator is None:
            return {}
        group = ParameterGroup(tuple(self.hallucinator.parameters()), weight_decay=0.0)
        plan = OptimizerPlan(
            (group,), kind="adam", lr=HALLUCINATOR_LR, schedule=Schedule("constant"), every_step=False
        )
        return {OPTIMIZER: plan}

    @property
    def reported(self) -> tuple[str, ...]:
        """Names of the numbers reported of each selection."""
        return REPORTED if self.hallucinator is None else (*REPORTED, *anchor_quality.REPORTED)

    def correct(self, features: Tensor, easy: Tensor, steps: int) -> Corrections:
        """Train the hallucinator, hallucinate, and vote.

        Args:
            features: (N, d), of all samples.
            easy: bool (N,).
            steps: in which the hallucinator is trained first.

        Warns:
            LabelmendWarning: Once, if the hallucinator has degenerated.
        """
        task = self.task
        labels, easy_features = task.given_labels[easy], features[easy].to(task.device)
        behind = torch.arange(len(labels)).repeat_interleave(1 + (TRUSTED_TIMES - 1) * task.trusted[easy])
        starts = easy_features if len(behind) == len(labels) else easy_features[behind.to(task.device)]
        partners = torch.empty(len(labels), 0, dtype=torch.int64)
        if self.anchors_per_sample and not easy.all():
            partners = sample_partners(labels[behind], self.anchors_per_sample, task.generator)
        self.quality = {}
        origin = features.mean(0) if self.centred else torch.zeros_like(features[0])
        offset = origin.to(task.device)
        if partners.numel() and self.hallucinator is not None:
            self.train_hallucinator(self.hallucinator, easy_features, labels, steps)
            self.look(self.hallucinator, easy_features, labels, features[~easy].to(task.device), offset)

        def anchors() -> Iterator[AnchorBlock]:
            for made, of_anchors, source in anchor_blocks(
                starts, labels[behind], partners, self.anchor_maker()
            ):
                yield made - offset, of_anchors, behind[source]

        with task.meter.counting():
            return self.vote(anchors(), partners.numel(), features - origin, easy, task.given_labels)

    def anchor_maker(self) -> AnchorMaker:
        """What makes an anchor from a pair of features."""
        if self.hallucinator is None:
            return partial(closed_form_anchors, lambda_p=self.lambda_p)
        return self.hallucinator

    def train_hallucinator(
        self, hallucinator: Hallucinator, features: Tensor, labels: Tensor, steps: int
    ) -> None:
        """The hallucinator training phase, with f and g frozen (section 3.5)."""
        train_hallucinator(
            hallucinator,
            self.task.optimizers[OPTIMIZER],
            self.task.averages[0].head,
            features,
            labels.to(features.device),
            self.lambda_p,
            steps,
            generator=self.task.generator,
        )
        self.task.meter.add(
            training_operations(
                features.shape[1],
                hallucinator.hidden.out_features,
                self.task.num_classes,
                len(features),
                steps,
            )
        )

    def look(
        self, hallucinator: Hallucinator, features: Tensor, labels: Tensor, hard: Tensor, origin: Tensor
    ) -> None:
        """Note how good the anchors are, and say so if the hallucinator has degenerated."""
        head = self.task.averages[0].head
        found = anchor_quality.anchor_quality(
            hallucinator, features, labels, hard, head, self.lambda_p, origin
        )
        if found is None:
            return
        self.quality = found.report()
        if found.degenerate and not self.warned:
            self.warned.fill_(True)
            warnings.warn(
                f"the hallucinator has degenerated: {found.partner:.0%} of the variance of its anchors comes "
                f"from the partner, and they reach {found.spread:.0%} of the hard samples that anchors in "
                "closed form reach; --hallucinator closed_form does without it",
                LabelmendWarning,
                stacklevel=2,
            )

    def report(self, record: SampleRecord, chosen: EasySet, found: Corrections) -> dict[str, float]:
        """Counts of a selection, the noise rate estimated from it, and how good the anchors are."""
        given = self.task.given_labels
        voted, confirmed = record.corrected >= 0, record.corrected == given
        return {
            "easy": float(record.easy.sum()),
            "hard_kept": float((confirmed & ~record.easy).sum()),
            "hard_corrected": float((voted & ~confirmed).sum()),
            "uncertain": float((~record.labelled).sum()),
            "estimated_noise_rate": estimate_noise_rate(record.probabilities, given),
            "valid_anchors": float(found.valid_anchors),
            "mixture_collapsed": float(chosen.collapsed),
            **self.quality,
        }


def choose(
    scores: Scores,
    task: Task,
    *,
    rule: Literal["balanced", "gmm"],
    percent: float,
    final: bool = False,
    lists: Tensor | None = None,
) -> tuple[EasySet, Neighbours]:
    """The easy set, and what the neighbours of each sample were given.

    In the final one samples whose evidence is against their label are put to the vote, not trusted. The only
    sample of its class stays: no anchor of another sample could confirm it.

    Args:
        scores: of the network that is believed.
        task: of the method.
        rule: as for ``select``.
        percent: as for ``select``.
        final: whether the finished model is judged; before that no neighbour is asked, and no sample that is
            held out is easy, so that its label is learned in no form.
        lists: of ``neighbour_lists`` for the features of ``scores``, where they are known.

    Returns:
        The easy set, and what neighbours were given.
    """
    chosen = select(scores.probabilities, task.given_labels, task.trusted, rule=rule, percent=percent)
    if not final:
        chosen = replace(chosen, easy=chosen.easy & task.learnable)
        return chosen, Neighbours.not_asked(len(task.given_labels))
    with task.meter.counting():
        features, given = scores.features.to(task.device), task.given_labels.to(task.device)
        neighbours = ask_neighbours(features, given, task.num_classes, lists, task.together)
    agreed = agrees(scores.probabilities, neighbours.label, task.given_labels)
    easy = chosen.easy & (task.trusted | agreed | (neighbours.label == NO_LABEL))
    return replace(chosen, easy=easy), neighbours


def voted_record(
    probabilities: Tensor, chosen: EasySet, found: Corrections, task: Task, neighbours: Neighbours
) -> SampleRecord:
    """The record of a selection with votes.

    Args:
        probabilities: (N, C), what is believed of each image; rows sum to 1.
        chosen: the easy set.
        found: what anchors say.
        task: of the method.
        neighbours: what ``choose`` found.
    """
    quality = label_quality(probabilities, task.given_labels, found.corrected, found.given_share)
    return SampleRecord(
        probabilities=probabilities,
        easiness=chosen.easiness,
        easy=chosen.easy,
        label_quality=torch.where(task.trusted, torch.ones_like(quality), quality),
        corrected=found.corrected,
        votes=found.votes,
        vote_share=found.vote_share,
        sources=found.sources,
        neighbour_label=neighbours.label,
        neighbour_support=neighbours.support,
    )
