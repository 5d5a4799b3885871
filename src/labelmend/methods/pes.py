"""PES(semi): early stopping part by part, then semi-supervised learning of the samples predicted as given.

Bai et al., "Understanding and Improving Early Stopping for Learning with Noisy Labels", NeurIPS 2021. Of its
two forms this is the semi-supervised one. Later layers learn wrong labels first: they are drawn anew,
and stopped earlier than the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range, require
from labelmend.methods.base import Batch, Method, Task
from labelmend.methods.plan import OptimizerPlan, Progress, Schedule, Stage, Step
from labelmend.semi.guess import average_guess
from labelmend.semi.losses import mse_loss, ramp_up, soft_cross_entropy
from labelmend.semi.mixmatch import mixmatch_batch, parts_by_size
from labelmend.semi.sharpen import sharpen
from labelmend.verdicts.record import SampleRecord

TEMPERATURE = 0.5
# A class with few confident samples counts for more, up to this.
LARGEST_WEIGHT = 3.0
# Beta parameters of mixup in the first and in the second half of the run.
ALPHAS = 4.0, 0.75


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """``min(mean count / count_c, 3)``, the mean over all classes.

    Args:
        labels: int64, of the labelled samples.
        num_classes: C.

    Returns:
        (C,), above 0; 3 for classes without labelled samples.
    """
    counts = torch.bincount(labels, minlength=num_classes).float()
    return (counts.mean() / counts).clamp(max=LARGEST_WEIGHT)


@dataclass
class PesSettings(MethodSettings):
    """Settings of PES(semi)."""

    name: ClassVar[str] = "pes"
    RANGES: ClassVar = {
        "warmup": Range(0, 1, low_open=True, high_open=True),
        "head_share": Range(0, 1, low_open=True, high_open=True),
        "head_lr": Range(0, low_open=True),
        "lambda_unlabelled": Range(0),
        "ramp": Range(0, 1),
    }

    warmup: float = 0.4
    """T_1: share of the budget for cross-entropy on all given labels."""
    head_share: float = 0.1
    """T_2: share of the budget in which the last layer, drawn anew, learns on frozen features."""
    head_lr: float = 0.01
    """Learning rate of the last layer in that part, by Adam."""
    lambda_unlabelled: float = 5.0
    """Weight of unlabelled samples."""
    ramp: float = 0.05
    """Share of the budget over which unlabelled samples gain their full weight."""

    def __post_init__(self) -> None:
        """Validate the values."""
        super().__post_init__()
        rest = 1 - self.warmup
        require(self.head_share < rest, "head_share", self.head_share, f"below {rest:g}, 1 less --warmup")


class Pes(Method):
    """Stop early, redraw the last layer, stop it earlier; then MixMatch without label refinement.

    Where weights are averaged, the network that is stopped early is the average.
    """

    Settings: ClassVar[type[MethodSettings]] = PesSettings
    settings: PesSettings
    confident: Tensor
    weights: Tensor

    def __init__(self, settings: PesSettings, task: Task) -> None:
        super().__init__(settings, task)
        self.register_buffer("confident", torch.zeros(len(task.given_labels), dtype=torch.bool))
        self.register_buffer("weights", torch.ones(task.num_classes))

    def stages(self) -> Sequence[Stage]:
        """The whole network, the last layer alone, the whole network again."""
        first, second = self.settings.warmup, self.settings.head_share
        return (
            Stage(first),
            Stage(second, redrawn=("classifier",), frozen=("extractor",)),
            Stage(1 - first - second),
        )

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """That of the network goes on in the last stage; one of its own for the last layer alone."""
        if stage != 1:
            return super().optimizers(stage)
        head = self.task.networks[0].classifier
        plan = OptimizerPlan.over(head, kind="adam", lr=self.settings.head_lr, schedule=Schedule("constant"))
        return {"head": plan}

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """In the last stage: samples that are predicted as given are labelled, the others unlabelled.

        All are labelled where none of these can be learned.
        """
        if progress.stage < 2:
            return self.shuffled_steps()
        task = self.task
        confirmed = self.confirmed(task.score(task.averages[0], views=2).probabilities)
        self.confident.copy_(confirmed | ~(confirmed & task.learnable).any())
        labelled = self.confident.cpu()
        self.weights.copy_(class_weights(task.given_labels[labelled], task.num_classes))
        parts = parts_by_size(labelled, task.learnable, task.batch_size, task.generator)
        return [Step({"labelled": some, "unlabelled": rest}) for some, rest in parts]

    def confirmed(self, probabilities: Tensor) -> Tensor:
        """Samples predicted as given, and trusted ones, bool (N,); all of them where there are none."""
        confirmed = (probabilities.argmax(1) == self.task.given_labels) | self.task.trusted
        return confirmed if confirmed.any() else ~confirmed

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy in the first two stages, the semi-supervised loss in the last."""
        task = self.task
        if progress.stage == 2:
            return self.semi_supervised_loss(batch, progress)
        targets = self.smoothed_labels(batch)
        return soft_cross_entropy(task.networks[0](batch.view()).float(), targets)

    def semi_supervised_loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Weighted cross-entropy on given labels, squared error on guesses, over mixed views."""
        task, settings = self.task, self.settings
        labelled = self.confident.cpu()[batch.index]
        views = [batch.view(), batch.view()]
        inputs, targets, num_labelled = mixmatch_batch(
            views,
            self.targets(batch.index, views, labelled),
            labelled,
            ALPHAS[progress.share >= 0.5],
            task.generator,
        )
        logits = task.networks[0](inputs).float()
        loss: Tensor = logits.new_zeros(())
        if num_labelled > 0:
            loss = loss + soft_cross_entropy(logits[:num_labelled], targets[:num_labelled] * self.weights)
        if num_labelled < len(logits):
            start = settings.warmup + settings.head_share
            weight = settings.lambda_unlabelled * ramp_up(progress.share, start, settings.ramp)
            loss = loss + weight * mse_loss(logits[num_labelled:], targets[num_labelled:])
        return loss

    @torch.no_grad()
    def targets(self, index: Tensor, views: Sequence[Tensor], labelled: Tensor) -> Tensor:
        """Given labels as they are of labelled samples, sharpened guesses of the others, (B, C)."""
        task = self.task
        onehot = functional.one_hot(task.given_labels[index], task.num_classes).float().to(task.device)
        rest = (~labelled).nonzero()[:, 0].to(task.device)
        if len(rest):
            # Batch norm needs two images: one alone is guessed in the midst of its batch.
            seen = rest if len(rest) > 1 else torch.arange(len(index), device=task.device)
            guess = average_guess([task.networks[0](view[seen]).float().softmax(1) for view in views])
            onehot[rest] = sharpen(guess[torch.isin(seen, rest)], TEMPERATURE)
        return onehot

    def metrics(self) -> dict[str, float]:
        """How many samples are labelled, once they are chosen."""
        count = float(self.confident.sum())
        return {"labelled": count} if count else {}

    def record(self) -> SampleRecord:
        """Easy are the samples that the final model predicts as given."""
        plain = super().record()
        return replace(plain, easy=self.confirmed(plain.probabilities))
