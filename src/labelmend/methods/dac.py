"""DAC: a network may abstain at a cost that grows; a new one learns what it does not abstain on.

Thulasidasan et al., "Combating Label Noise in Deep Learning Using Abstention", ICML 2019. What is abstained
on is read where the first network ends; the notes of the released code find it best near epoch 75 of 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method, Task, record_by_belief
from labelmend.methods.plan import Progress, Stage, Step
from labelmend.verdicts.record import SampleRecord

# Of the published code: final cost, divisor of the first one, and decay of the average it comes from.
FINAL_COST, FIRST_COST_DIVISOR, AVERAGE_DECAY = 1.0, 64.0, 0.95
CLIP = 1e-7


def abstention_terms(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """``1 - p_a`` and H, the cross-entropy over the C classes without abstention.

    Args:
        logits: (B, C + 1), the last one of abstaining.
        labels: int64 (B,), in [0, C).

    Returns:
        Both (B,).
    """
    engaged = 1 - logits.softmax(1)[:, -1].clamp(max=1 - CLIP)
    return engaged, functional.cross_entropy(logits[:, :-1], labels, reduction="none")


def abstention_loss(logits: Tensor, labels: Tensor, cost: float | Tensor) -> Tensor:
    """``(1 - p_a) H - alpha log(1 - p_a)`` of each sample.

    Args:
        logits: (B, C + 1), the last one of abstaining.
        labels: int64 (B,), in [0, C).
        cost: alpha, 0 or more; without bound, abstaining is ruled out.

    Returns:
        (B,).
    """
    engaged, entropy = abstention_terms(logits, labels)
    return engaged * entropy - cost * engaged.log()


@dataclass
class DacSettings(MethodSettings):
    """Settings of DAC."""

    name: ClassVar[str] = "dac"
    # Without learning first, no average would set the first cost, and at no cost a network abstains on all.
    RANGES: ClassVar = {
        "learn": Range(0, 1, low_open=True, high_open=True),
        "retrain": Range(0, 1, high_open=True),
    }

    learn: float = 0.2
    """Share of the first stage without a reward for abstaining; published: a tenth, at full learning rate."""
    retrain: float = 0.35
    """Share of the budget for a new network that learns the samples not abstained on; 0 for none. Counted in
    operations, a third gives it as many epochs as the first where half of the samples are left."""


class Dac(Method):
    """Cross-entropy with an output for abstaining, then cross-entropy on what is left."""

    Settings: ClassVar[type[MethodSettings]] = DacSettings
    settings: DacSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN
    average: Tensor
    abstained: Tensor
    engaged: Tensor

    def __init__(self, settings: DacSettings, task: Task) -> None:
        super().__init__(settings, task)
        samples = len(task.given_labels)
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("abstained", torch.zeros(samples, dtype=torch.bool))
        self.register_buffer("engaged", torch.ones(samples))

    @classmethod
    def num_outputs(cls, num_classes: int) -> int:
        """The classes, and abstaining."""
        return num_classes + 1

    @classmethod
    def probabilities(cls, logits: Tensor) -> Tensor:
        """Softmax over the classes; abstaining is left out."""
        return logits[:, :-1].softmax(1)

    def stages(self) -> Sequence[Stage]:
        """With abstaining, and without the samples abstained on."""
        retrain = self.settings.retrain
        return (Stage(1 - retrain), Stage(retrain, fresh=True)) if retrain > 0 else (Stage(),)

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """All samples; in the second stage those not abstained on."""
        if progress.stage == 0:
            return self.shuffled_steps()
        return self.shuffled_steps((~self.abstained).nonzero()[:, 0].cpu())

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy over all outputs first, then with a price on abstaining, then over the classes."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = self.task.networks[0](batch.view()).float()
        if progress.stage == 1:
            return functional.cross_entropy(logits[:, :-1], labels)
        if progress.stage_share >= self.settings.learn:
            return abstention_loss(logits, labels, self.cost(progress.stage_share)).mean()
        engaged, entropy = abstention_terms(logits.detach(), labels)
        now = (engaged * entropy).mean()
        self.average.copy_(torch.where(self.average > 0, self.average.lerp(now, 1 - AVERAGE_DECAY), now))
        return functional.cross_entropy(logits, labels)

    def cost(self, stage_share: float) -> Tensor:
        """alpha: rises linearly over the part of the first stage in which it can abstain."""
        first = self.average / FIRST_COST_DIVISOR
        risen = (stage_share - self.settings.learn) / (1 - self.settings.learn)
        return first + (FINAL_COST - first) * risen

    def may_be_best(self, progress: Progress) -> bool:
        """In the second stage: the first one ends where abstaining has its full cost.

        Where there is no second one, once the network may abstain.
        """
        if self.settings.retrain > 0:
            return progress.stage == 1
        return progress.stage_share > self.settings.learn

    def end_stage(self, progress: Progress) -> None:
        """Note what the network of the first stage abstains on."""
        if progress.stage == 0:
            scores = self.task.score(self.final_model(), probabilities=lambda logits: logits.softmax(1))
            abstains = scores.probabilities.argmax(1) == self.task.num_classes
            self.abstained.copy_(abstains & ~self.task.trusted)
            self.engaged.copy_(1 - scores.probabilities[:, -1])

    def metrics(self) -> dict[str, float]:
        """How many samples were abstained on; 0 in the first stage."""
        return {"abstained": float(self.abstained.sum())}

    def record(self) -> SampleRecord:
        """Easy are the samples not abstained on; a label is believed as far as the first network engages."""
        task = self.task
        probabilities = task.score(self.final_model()).probabilities
        believed = record_by_belief(probabilities, task.given_labels, task.trusted, self.engaged.cpu())
        return replace(believed, easy=~self.abstained.cpu())
