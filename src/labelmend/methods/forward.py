"""Forward correction: the network learns the class, a transition matrix makes the given label of it.

Patrini et al., "Making Deep Neural Networks Robust to Label Noise: A Loss Correction Approach", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import MethodSettings, Range
from labelmend.errors import DataError
from labelmend.methods.base import LEARNS_AS_GIVEN, Batch, Method, Task
from labelmend.methods.plan import Progress, Stage
from labelmend.noise.transition import load_matrix
from labelmend.transition.anchor_points import anchor_point_transition
from labelmend.transition.forward import forward_loss
from labelmend.transition.noise_rate import implied_noise_rate


@dataclass
class ForwardSettings(MethodSettings):
    """Settings of forward correction."""

    name: ClassVar[str] = "forward"
    RANGES: ClassVar = {
        "warmup": Range(0, 1, low_open=True, high_open=True),
        "anchor_percentile": Range(0, 100, low_open=True),
    }

    transition_file: str | None = None
    """A .npy, .csv or .json file with T[true, given], classes in the order of their names; by default T is
    estimated."""
    warmup: float = 0.4
    """Share of the budget for a network of its own that T is estimated from."""
    anchor_percentile: float = 97.0
    """Percentile of the probability of each class from which samples are outliers; 100 for none. At most half
    as many are left out as have its label."""

    def __post_init__(self) -> None:
        """Validate the values; a path stays right in another working folder."""
        super().__post_init__()
        if self.transition_file is not None:
            self.transition_file = str(Path(self.transition_file).resolve())


class Forward(Method):
    """``-log (T^T p)_y~``, T being given, or estimated from a network trained on the given labels."""

    Settings: ClassVar[type[MethodSettings]] = ForwardSettings
    settings: ForwardSettings
    refuses_smoothing: ClassVar[str] = LEARNS_AS_GIVEN
    transition: Tensor
    known: Tensor

    def __init__(self, settings: ForwardSettings, task: Task) -> None:
        super().__init__(settings, task)
        given = settings.transition_file
        matrix = torch.eye(task.num_classes) if given is None else read_transition(given, task)
        self.register_buffer("transition", matrix)
        self.register_buffer("known", torch.tensor(given is not None))

    def stages(self) -> Sequence[Stage]:
        """One for T, unless it is given, and one from scratch for the final network."""
        if self.settings.transition_file is not None:
            return (Stage(),)
        return (Stage(self.settings.warmup), Stage(1 - self.settings.warmup, fresh=True))

    def loss(self, batch: Batch, progress: Progress) -> Tensor:
        """Cross-entropy until T is known, then forward-corrected cross-entropy."""
        labels = self.task.given_labels[batch.index].to(self.task.device)
        logits = self.task.networks[0](batch.view()).float()
        if progress.stage < len(self.stages()) - 1:
            return functional.cross_entropy(logits, labels)
        return forward_loss(logits, labels, self.transition).mean()

    def end_stage(self, progress: Progress) -> None:
        """Estimate T from the network that has learned the given labels."""
        if progress.stage < len(self.stages()) - 1:
            probabilities = self.task.score(self.final_model()).probabilities
            given, percentile = self.task.given_labels, self.settings.anchor_percentile
            estimate = anchor_point_transition(probabilities, given, percentile)
            self.transition.copy_(estimate)
            self.known.fill_(True)

    def validation_loss(self, logits: Tensor, given_labels: Tensor) -> Tensor:
        """Forward-corrected cross-entropy (B,): held-out labels are as noisy as all others."""
        # The identity, until T is known.
        return forward_loss(logits, given_labels, self.transition)

    def metrics(self) -> dict[str, float]:
        """The noise rate that T implies, once it is known."""
        if not self.known:
            return {}
        return {"estimated_noise_rate": implied_noise_rate(self.transition, self.task.given_labels)}


def read_transition(file: str, task: Task) -> Tensor:
    """T from a file, if it can have made the given labels.

    Raises:
        DataError: If it cannot be read, is of other classes, or rules out a label that is given.
    """
    matrix = torch.from_numpy(load_matrix(Path(file))).float()
    if len(matrix) != task.num_classes:
        raise DataError(
            f"{file}: the matrix is for {len(matrix)} classes, but the data has {task.num_classes}"
        )
    counts = torch.bincount(task.given_labels, minlength=task.num_classes)
    impossible = (counts > 0) & (matrix.sum(0) == 0)
    if impossible.any():
        column = int(impossible.nonzero()[0])
        raise DataError(
            f"{file}: column {column} is all 0, but {int(counts[column])} images are given that label; rows "
            "are true classes, columns given labels"
        )
    return matrix
