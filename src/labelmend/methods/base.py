"""The base of every method: a few hooks that the one training loop calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from labelmend.config import MethodSettings
from labelmend.models.classifier import Classifier
from labelmend.verdicts.table import SampleVerdicts


@dataclass(frozen=True)
class Scores:
    """One evaluation-mode pass of a network over all training images, without augmentation.

    Attributes:
        probabilities: float32 (N, C), rows sum to 1.
        features: float32 (N, d), the input of the linear head.
    """

    probabilities: Tensor
    features: Tensor


class Batch(Protocol):
    """Some training images in one step."""

    @property
    def index(self) -> Tensor:
        """int64 (B,), positions in the training set."""
        ...

    def view(self, strong: bool = False) -> Tensor:
        """A new random view of every image, normalised, (B, channels, height, width)."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far the run is.

    Attributes:
        epoch: number of the epoch, from 1.
        share: share of the budget that is spent, in [0, 1].
    """

    epoch: int
    share: float


@dataclass(frozen=True)
class Selection:
    """What a method currently believes of the training samples.

    Attributes:
        easy: bool (N,), the easy set.
        corrected: int64 (N,), label voted for each hard sample, -1 where there is none.
        label_quality: float32 (N,), in [0, 1], low = suspicious.
    """

    easy: Tensor
    corrected: Tensor
    label_quality: Tensor


@dataclass(frozen=True)
class Task:
    """What a method is given to work with.

    Attributes:
        given_labels: int64 (N,) tensor.
        trusted: bool (N,) tensor, labels a person has confirmed.
        num_classes: C.
        networks: the networks being trained, as many as the method asked for.
        averages: their weight averages; the networks themselves where averaging is off.
        score: runs a network over all training images, in evaluation mode; the work is counted.
        batch_size: images a step.
        label_smoothing: share of each target spread over the classes.
        generator: source of every random draw of the method.
        device: where networks and batches live.
    """

    given_labels: Tensor
    trusted: Tensor
    num_classes: int
    networks: list[Classifier]
    averages: list[Classifier]
    score: Callable[[Classifier], Scores]
    batch_size: int
    label_smoothing: float
    generator: torch.Generator
    device: torch.device


class Method(ABC):
    """Base class: plain hooks, overridden by each method in its own file.

    A method reads its settings and task in ``__init__``, says in ``start_epoch`` which samples each
    step of the epoch takes, returns the loss of a step in ``loss``, and sums up in ``verdicts``. All
    that it must remember between epochs goes through ``state_dict``.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    num_networks: ClassVar[int] = 1

    def __init__(self, settings: MethodSettings, task: Task) -> None:
        self.settings = settings
        self.task = task

    def start_epoch(self, progress: Progress) -> list[Tensor]:
        """Prepare an epoch; returns the sample indices of each step (int64 tensors)."""
        return self.shuffled_steps()

    def shuffled_steps(self) -> list[Tensor]:
        """Every sample once, in random order, less a last batch of one image (batch norm needs two)."""
        order = torch.randperm(len(self.task.given_labels), generator=self.task.generator)
        return [step for step in order.split(self.task.batch_size) if len(step) > 1]

    @abstractmethod
    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean loss of one step, a scalar to minimise."""

    def metrics(self) -> dict[str, float]:
        """Numbers to report for the epoch just ended."""
        return {}

    def selection(self) -> Selection | None:
        """The current selection, which the loop scores where true labels are known."""
        return None

    def state_dict(self) -> dict[str, Tensor]:
        """Everything the method needs to go on from here, as tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027  (most methods keep nothing)
        """Take up what ``state_dict`` returned."""

    @abstractmethod
    def verdicts(self) -> SampleVerdicts:
        """Judge every training sample with the final model."""
