"""DAC: a network may abstain at a cost that grows; a new one learns what it does not abstain on.

Thulasidasan et al., "Combating Label Noise in Deep Learning Using Abstention", ICML 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task
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

    learn: float = 0.1
    """Share of the first stage without a reward for abstaining."""
    retrain: float = 0.5
    """Share of the budget for a new network that learns the samples not abstained on; 0 for none."""


class Dac(Method):
    """Cross-entropy with an output for abstaining, then cross-entropy on what is left."""

    Settings: ClassVar[type[MethodSettings]] = DacSettings
    settings: DacSettings
    average: Tensor
    first_cost: Tensor
    abstaining: Tensor
    cost: Tensor
    abstained: Tensor

    def __init__(self, settings: DacSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("first_cost", torch.tensor(-1.0))
        self.register_buffer("abstaining", torch.tensor(False))
        self.register_buffer("cost", torch.tensor(0.0))
        self.register_buffer("abstained", torch.zeros(len(task.given_labels), dtype=torch.bool))

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
        """All samples; in the second stage those not abstained on.

        The cost of abstaining rises from epoch to epoch, linearly over what is left of the first stage.
        """
        kept = (~self.abstained).nonzero()[:, 0].cpu()
        risen = (progress.stage_share - self.settings.learn) / (1 - self.settings.learn)
        self.abstaining.fill_(progress.stage == 0 and risen >= 0)
        if self.abstaining:
            if self.first_cost < 0:
                self.first_cost.copy_(self.average / FIRST_COST_DIVISOR)
            self.cost.copy_(self.first_cost + (FINAL_COST - self.first_cost) * risen)
        return self.shuffled_steps(kept if progress.stage == 1 and len(kept) > 1 else None)

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy over all outputs first, then with a price on abstaining, then over the classes."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = self.task.networks[0](batch.view()).float()
        if progress.stage == 1:
            return functional.cross_entropy(logits[:, :-1], labels)
        if self.abstaining:
            return abstention_loss(logits, labels, self.cost).mean()
        engaged, entropy = abstention_terms(logits.detach(), labels)
        self.average.lerp_((engaged * entropy).mean(), 1 - AVERAGE_DECAY)
        return functional.cross_entropy(logits, labels)

    def end_stage(self, progress: Progress) -> None:
        """Note what the network of the first stage abstains on."""
        if progress.stage == 0:
            scores = self.task.score(self.final_model(), probabilities=lambda logits: logits.softmax(1))
            abstains = scores.probabilities.argmax(1) == self.task.num_classes
            self.abstained.copy_(abstains & ~self.task.trusted)

    def metrics(self) -> dict[str, float]:
        """How many samples were abstained on, once it is known."""
        return {"abstained": float(self.abstained.sum())}

    def record(self) -> SampleRecord:
        """Easy are the samples not abstained on."""
        return replace(super().record(), easy=~self.abstained.cpu())
