"""The base of every method: a module with a few hooks that the one training loop calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmend.config import MethodSettings
from labelmend.errors import SettingsError
from labelmend.methods.plan import OptimizerPlan, Progress, Stage, Step, Update
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.selection.easiness import given_label_losses, loss_mixture
from labelmend.verdicts.record import SampleRecord


@dataclass(frozen=True)
class Scores:
    """One evaluation-mode pass of a network over all training images.

    Attributes:
        probabilities: float32 (N, C), rows sum to 1.
        features: float32 (N, d), the input of the linear head.
    """

    probabilities: Tensor
    features: Tensor


LEARNS_AS_GIVEN = "learns given labels as they are; leave it out"
"""Why ``--label-smoothing`` is refused by methods whose loss is of single labels."""


class Scorer(Protocol):
    """Runs a network over all training images; the work is counted."""

    def __call__(
        self,
        network: Classifier | Ensemble,
        views: int = 0,
        probabilities: Callable[[Tensor], Tensor] | None = None,
    ) -> Scores:
        """Scores in evaluation mode.

        Args:
            network: what is scored.
            views: 0 scores each image as it is; more average the probabilities over as many random weak
                views of each, and take the features of the last.
            probabilities: what to make of the outputs; by default ``Method.probabilities``.
        """
        ...


class Batch(Protocol):
    """Some training images in one step."""

    @property
    def index(self) -> Tensor:
        """int64 (B,), positions in the training set."""
        ...

    @property
    def role(self) -> str:
        """What the step is for; see ``Step``."""
        ...

    def view(self, strong: bool = False) -> Tensor:
        """A new random view of every image, normalised, (B, channels, height, width)."""
        ...

    def part(self, name: str) -> Batch:
        """The images that come from the sampler of this name."""
        ...


class Meter(Protocol):
    """Counts the work of a method outside the networks, whose passes are counted without it."""

    def counting(self) -> AbstractContextManager[None]:
        """Context in which a few large operations are counted as they run."""
        ...

    def add(self, operations: float) -> None:
        """Count operations that were worked out, where there are many small ones."""
        ...


class Uncounted:
    """A meter that counts nothing."""

    def counting(self) -> AbstractContextManager[None]:
        """A context that does nothing."""
        return nullcontext()

    def add(self, operations: float) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Task:
    """What a method is given to work with.

    Attributes:
        given_labels: int64 (N,) tensor, on the CPU.
        trusted: bool (N,) tensor, labels a person has confirmed.
        num_classes: C.
        networks: the networks being trained, as many as the method asked for.
        averages: their weight averages; the networks themselves where averaging is off.
        score: runs a network over all training images.
        batch_size: images a step.
        label_smoothing: share of each target spread over the classes.
        generator: source of every random draw of the method.
        device: where networks and batches live.
        learnable: bool (N,), on the CPU: samples that are not held out; steps hold no others.
        optimizers: those of ``Method.optimizers``, by name, once the loop has made them.
        meter: counts work outside the networks.
        fold_of: int64 (N,), the head of ``FoldedHeads`` that is kept from each sample; None without heads.
        together: int64 (N,), on the device, equal for samples that must not speak for each other: those of a
            group, and equal ones where there are heads; None where each may speak for all others.
    """

    given_labels: Tensor
    trusted: Tensor
    num_classes: int
    networks: Sequence[Classifier]
    averages: Sequence[Classifier]
    score: Scorer
    batch_size: int
    label_smoothing: float
    generator: torch.Generator
    device: torch.device
    learnable: Tensor
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    meter: Meter = field(default_factory=Uncounted)
    fold_of: Tensor | None = None
    together: Tensor | None = None


class Method(nn.Module):
    """Base class: a module whose hooks the training loop calls; only ``loss`` must be written.

    What a method remembers between steps is a buffer, a parameter or a submodule: these move to the device
    and are saved and restored with the run. The networks are in ``task``, and are saved by the loop.

    Args:
        settings: an instance of ``Settings``.
        task: what it works with.

    Raises:
        SettingsError: If given labels are to be smoothed and the method does not do that.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    refuses_smoothing: ClassVar[str] = ""
    """Why ``--label-smoothing`` is not for this method, said after its name; empty where it is."""

    def __init__(self, settings: MethodSettings, task: Task) -> None:
        super().__init__()
        self.check_smoothing(task.label_smoothing)
        self.settings = settings
        self.task = task

    # What is trained.

    @classmethod
    def check_smoothing(cls, label_smoothing: float) -> None:
        """Refuse to smooth given labels where the method does not do that.

        Raises:
            SettingsError: If they are to be smoothed.
        """
        if cls.refuses_smoothing and label_smoothing > 0:
            raise SettingsError(
                f"--label-smoothing is {label_smoothing}, but --method {cls.Settings.name} "
                f"{cls.refuses_smoothing}"
            )

    @classmethod
    def num_networks(cls, settings: MethodSettings) -> int:
        """How many networks are trained side by side."""
        return 1

    @classmethod
    def num_outputs(cls, num_classes: int) -> int:
        """Outputs of each network for C classes."""
        return num_classes

    @classmethod
    def learns_strong_views(cls, settings: MethodSettings) -> bool:
        """Whether any step asks for strong views, so that how strong they are counts."""
        return bool(getattr(settings, "strong_views", False)) and getattr(settings, "warmup", 0) < 1

    @classmethod
    def probabilities(cls, logits: Tensor) -> Tensor:
        """Class probabilities (B, C) from the outputs of a network (B, ``num_outputs``).

        Scoring, verdicts and the finished model all use it.
        """
        return logits.softmax(1)

    def stages(self) -> Sequence[Stage]:
        """The parts of the run, in order."""
        return (Stage(),)

    def optimizers(self, stage: int) -> dict[str, OptimizerPlan]:
        """Optimisers of a stage by name; one that an earlier stage had goes on, unless the stage restarts."""
        return {"networks": OptimizerPlan.over(*self.task.networks)}

    # The course of a run.

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """Prepare an epoch; returns its steps."""
        return self.shuffled_steps()

    def shuffled_steps(self, among: Tensor | None = None, role: str = "") -> list[Step]:
        """Every learnable sample once, in random order, less a last batch of one (batch norm needs two).

        Args:
            among: int64, the samples; by default all, and where fewer than two of them are learnable.
            role: of the steps.
        """
        samples = learnable = self.task.learnable.nonzero()[:, 0]
        if among is not None:
            chosen = among[self.task.learnable[among]]
            samples = chosen if len(chosen) > 1 else learnable
        order = samples[torch.randperm(len(samples), generator=self.task.generator)]
        return [Step.of(index, role) for index in order.split(self.task.batch_size) if len(index) > 1]

    def before_step(self, progress: Progress) -> None:
        """Change what varies from step to step, e.g. a momentum in ``task.optimizers``."""

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Mean loss of one step, a scalar to minimise."""
        raise NotImplementedError

    def updates(self, batch: Batch, progress: Progress) -> Iterator[Update]:
        """The updates of one step; each is made before the next is asked for."""
        yield Update(self.loss(batch, progress))

    def end_epoch(self, progress: Progress) -> None:
        """Called after the last step of each epoch."""

    def end_stage(self, progress: Progress) -> None:
        """Called at the end of each stage, with the networks as it leaves them."""

    def metrics(self) -> dict[str, float]:
        """Numbers to report for the epoch just ended."""
        return {}

    # What comes of it.

    def final_networks(self) -> Sequence[Classifier]:
        """The networks of the finished model; the logits of several are averaged."""
        return self.task.averages[:1]

    def final_model(self) -> Classifier | Ensemble:
        """The finished model, as it would be now."""
        networks = list(self.final_networks())
        return networks[0] if len(networks) == 1 else Ensemble(networks)

    def smoothed_labels(self, batch: Batch) -> Tensor:
        """Smoothed given labels of a batch, (B, C), on the device."""
        labels = self.task.given_labels[batch.index]
        return smooth(labels, self.task.num_classes, self.task.label_smoothing).to(self.task.device)

    def validation_loss(self, logits: Tensor, given_labels: Tensor) -> Tensor:
        """Loss (B,) of held-out images that chooses the best epoch: 1 where the given label is not predicted.

        The cross-entropy on wrong labels grows as a network becomes sure of right ones, so that it would
        choose the epochs before a method works; the share of labels that are predicted does not (Chen et
        al., "Robustness of Accuracy Metric and its Inspirations in Learning with Noisy Labels", AAAI 2021).

        Args:
            logits: (B, ``num_outputs``), of the final model.
            given_labels: int64 (B,).
        """
        return (self.probabilities(logits).argmax(1) != given_labels).float()

    def may_be_best(self, progress: Progress) -> bool:
        """Whether the epoch that ended may be the best of its stage; not before samples are told apart."""
        return self.has_selected

    def selection(self) -> SampleRecord | None:
        """What the method believes of the samples now, which the loop reports on; None before it does."""
        return None

    @property
    def has_selected(self) -> bool:
        """Whether the method has told samples apart yet, if it does so after a warm-up; True of others."""
        return True

    def record(self) -> SampleRecord:
        """What the finished model says of every training sample.

        By default its loss alone: easy where easiness is above one half, nothing corrected.
        """
        return record_by_loss(
            self.task.score(self.final_model()).probabilities, self.task.given_labels, self.task.trusted
        )


def record_by_loss(probabilities: Tensor, given_labels: Tensor, trusted: Tensor) -> SampleRecord:
    """Easy where easiness is above one half or the label is trusted; nothing is corrected.

    Args:
        probabilities: (N, C), rows sum to 1.
        given_labels: int64 (N,).
        trusted: bool (N,); the label quality of these is 1.
    """
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    scored = loss_mixture(given_label_losses(probabilities, given_labels)).easiness
    return SampleRecord.without_votes(
        probabilities=probabilities,
        easiness=scored,
        easy=(scored > 0.5) | trusted,
        label_quality=torch.where(trusted, torch.ones_like(own), own),
    )


def record_by_belief(
    probabilities: Tensor, given_labels: Tensor, trusted: Tensor, belief: Tensor, threshold: float = 0.5
) -> SampleRecord:
    """Easy where a method believes the given label or it is trusted; nothing is corrected.

    Args:
        probabilities: (N, C), of the model; rows sum to 1.
        given_labels: int64 (N,).
        trusted: bool (N,); belief and label quality of these are 1.
        belief: (N,) in [0, 1], how far the method believes each given label. Label quality is its mean with
            the model's probability of that label, which tells apart what a method believes fully.
        threshold: samples believed more than this are easy.
    """
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    ones = torch.ones_like(own)
    return SampleRecord.without_votes(
        probabilities=probabilities,
        easiness=torch.where(trusted, ones, belief),
        easy=(belief > threshold) | trusted,
        label_quality=torch.where(trusted, ones, (own + belief) / 2),
    )


def smooth(labels: Tensor, num_classes: int, label_smoothing: float) -> Tensor:
    """One-hot targets (B, C) with a share ``label_smoothing`` spread evenly over the classes."""
    onehot = functional.one_hot(labels, num_classes).float()
    return onehot * (1 - label_smoothing) + label_smoothing / num_classes
