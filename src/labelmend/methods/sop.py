"""SOP: a sparse term of each sample explains its wrong label, so that the network need not.

Liu et al., "Robust Training under Label Noise by Over-parameterization", ICML 2022.

The published code multiplies the loss of v by 100, which is not in the paper. It is part of the default rate
of v here: without it v, which starts at 1e-8, needs about ten times as many epochs to count, which a small
budget does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.methods.base import Batch, Method, Task, record_by_belief
from labelmend.methods.plan import Progress, Update
from labelmend.verdicts.record import SampleRecord

# Of the published code: first values of u and v, and the least probability of a class.
FIRST_DEVIATION, LEAST = 1e-8, 1e-4
PUBLISHED_BATCH = 128


def noise_terms(u: Tensor, v: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """``u u y`` and ``v v (1 - y)``, the two parts of ``s = u u y - v v (1 - y)``.

    Args:
        u: (B, 1).
        v: (B, C).
        labels: y, (B, C), rows sum to 1.

    Returns:
        Both (B, C), in [0, 1].
    """
    return (u.square() * labels).clamp(max=1), (v.square() * (1 - labels)).clamp(max=1)


def noisy_fit(logits: Tensor, labels: Tensor, added: Tensor, taken: Tensor) -> Tensor:
    """Cross-entropy of ``phi(p + s)``, where phi clips from below and divides by the sum; learns p and u.

    Args:
        logits: of p, (B, C).
        labels: y, (B, C), rows sum to 1.
        added: ``u u y``, (B, C).
        taken: ``v v (1 - y)``, (B, C); it gets no gradient.

    Returns:
        (B,).
    """
    shares = (logits.softmax(1) + added - taken.detach()).clamp(min=LEAST)
    return -(labels * (shares / shares.sum(1, keepdim=True)).log()).sum(1)


def hard_fit(logits: Tensor, labels: Tensor, added: Tensor, taken: Tensor) -> Tensor:
    """``||onehot(argmax p) + s - y||^2``; learns v alone. Arguments and result as of ``noisy_fit``."""
    predicted = functional.one_hot(logits.argmax(1), logits.shape[1])
    return (predicted + added.detach() - taken - labels).square().sum(1)


@dataclass
class SopSettings(MethodSettings):
    """Settings of SOP."""

    name: ClassVar[str] = "sop"
    RANGES: ClassVar = {"lr_u": Range(0), "lr_v": Range(0)}

    lr_u: float = 10.0
    """Learning rate of u, which explains the given label; 0 for none. Published: 10 for CIFAR-10, 1 for
    CIFAR-100, in batches of 128; in larger ones u and v take steps that are as large."""
    lr_v: float = 1000.0
    """Learning rate of v, which makes room for another; 0 for none. Published: 10 (asymmetric noise 100),
    on a loss that the code multiplies by 100."""


class Sop(Method):
    """Cross-entropy of prediction and noise term together; predictions are without the term."""

    Settings: ClassVar[type[MethodSettings]] = SopSettings
    settings: SopSettings
    u: Tensor
    v: Tensor

    def __init__(self, settings: SopSettings, task: Task) -> None:
        super().__init__(settings, task)
        count, generator = len(task.given_labels), task.generator
        self.register_buffer("u", FIRST_DEVIATION * torch.randn(count, 1, generator=generator))
        self.register_buffer("v", FIRST_DEVIATION * torch.randn(count, task.num_classes, generator=generator))

    def loss_with(self, batch: Batch, u: Tensor, v: Tensor) -> Tensor:
        """Mean of both fits, for the rows of u and v that belong to the batch."""
        task = self.task
        labels = self.smoothed_labels(batch)
        logits = task.networks[0](batch.view()).float()
        terms = noise_terms(u, v, labels)
        return (noisy_fit(logits, labels, *terms) + hard_fit(logits, labels, *terms)).mean()

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean of both fits."""
        index = batch.index.to(self.u.device)
        return self.loss_with(batch, self.u[index], self.v[index])

    def updates(self, batch: Batch, progress: Progress) -> Iterator[Update]:
        """One of the network, then a plain gradient step of u and v, of the rows of the batch alone."""
        index = batch.index.to(self.u.device)
        u, v = self.u[index].requires_grad_(), self.v[index].requires_grad_()
        yield Update(self.loss_with(batch, u, v))
        assert u.grad is not None and v.grad is not None
        # The loss is a mean: a sample's share of it, and so its step, would shrink with the batch.
        larger = max(len(index) / PUBLISHED_BATCH, 1)
        self.u[index] = u.detach() - self.settings.lr_u * larger * u.grad
        self.v[index] = v.detach() - self.settings.lr_v * larger * v.grad

    def record(self) -> SampleRecord:
        """Easy where the noise term leaves the given label more than half."""
        given, probabilities = self.task.given_labels, self.task.score(self.final_model()).probabilities
        onehot = functional.one_hot(given, self.task.num_classes).float()
        taken, added = noise_terms(self.u.cpu(), self.v.cpu(), onehot)
        left = onehot - taken + added
        # What u has taken and v has given to no label yet is nobody's, not the given label's.
        believed = left / left.sum(1, keepdim=True).clamp(min=1)
        # The terms of samples that are held out have never moved, and say nothing.
        believed = torch.where(self.task.learnable[:, None], believed, probabilities)
        belief = believed.gather(1, given[:, None])[:, 0]
        return record_by_belief(probabilities, given, self.task.trusted, belief)
