"""Filter, then retrain: cleanlab finds label issues, and a new network learns without them.

Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021. Its input, class
probabilities of samples that a network was not trained on, comes from cross-validation: stages of the run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelmend.config import MethodSettings, Range
from labelmend.errors import SettingsError
from labelmend.methods.base import Task
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.methods.plan import Progress, Stage, Step
from labelmend.selection.folds import stratified_folds
from labelmend.verdicts.record import SampleRecord


@dataclass
class CleanlabSettings(MethodSettings):
    """Settings of filtering by cleanlab."""

    name: ClassVar[str] = "cleanlab"
    RANGES: ClassVar = {
        "folds": Range(2, 20, whole=True),
        "cross_validation": Range(0, 1, low_open=True, high_open=True),
    }

    folds: int = 4
    """Parts of the cross-validation, each judged by a network that learns the others."""
    cross_validation: float = 0.5
    """Share of the budget for the networks of the cross-validation, all of them together."""


def require_cleanlab() -> None:
    """Refuse to go on without cleanlab.

    Raises:
        SettingsError: If it is not installed.
    """
    if importlib.util.find_spec("cleanlab") is None:
        raise SettingsError(
            "--method cleanlab needs cleanlab, which is not installed: pip install 'labelmend[cleanlab]'"
        )


def find_issues(probabilities: Tensor, given_labels: Tensor) -> tuple[Tensor, Tensor]:
    """What cleanlab says of given labels.

    Args:
        probabilities: (N, C), of networks that have not learned these samples; rows sum to 1.
        given_labels: int64 (N,).

    Returns:
        bool (N,), which are issues; and float32 (N,), label quality in [0, 1], low = suspicious.

    Raises:
        SettingsError: If cleanlab is not installed.
    """
    require_cleanlab()
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    labels, shares = given_labels.numpy(), probabilities.double().numpy()
    issues = find_label_issues(labels, shares, n_jobs=1)
    quality = get_label_quality_scores(labels, shares)
    return torch.from_numpy(np.asarray(issues)), torch.from_numpy(np.asarray(quality)).float()


class Cleanlab(CrossEntropy):
    """Cross-entropy throughout: in cross-validation, then from new on what cleanlab leaves."""

    Settings: ClassVar[type[MethodSettings]] = CleanlabSettings
    settings: CleanlabSettings
    fold: Tensor
    out_of_sample: Tensor
    quality: Tensor
    issue: Tensor
    filtered: Tensor

    def __init__(self, settings: CleanlabSettings, task: Task) -> None:
        super().__init__(settings, task)
        # Said at the start: cleanlab is first needed when half of the budget is spent.
        require_cleanlab()
        count = len(task.given_labels)
        together = None if task.together is None else task.together.cpu()
        fold = stratified_folds(task.given_labels, settings.folds, task.generator, together)
        self.register_buffer("fold", fold)
        self.register_buffer("out_of_sample", torch.zeros(count, task.num_classes))
        self.register_buffer("quality", torch.ones(count))
        self.register_buffer("issue", torch.zeros(count, dtype=torch.bool))
        self.register_buffer("filtered", torch.tensor(False))

    def stages(self) -> Sequence[Stage]:
        """One a fold, and one for the network that is kept; each starts with a new network."""
        share, folds = self.settings.cross_validation, self.settings.folds
        return (*(Stage(share / folds, fresh=True) for _ in range(folds)), Stage(1 - share, fresh=True))

    def start_epoch(self, progress: Progress) -> Sequence[Step]:
        """All samples but those of the fold; in the last stage all but the issues."""
        if progress.stage < self.settings.folds:
            return self.shuffled_steps((self.fold != progress.stage).nonzero()[:, 0].cpu())
        if not self.filtered:
            self.filter()
        kept = (~self.issue).nonzero()[:, 0].cpu()
        return self.shuffled_steps(kept)

    def end_stage(self, progress: Progress) -> None:
        """Note the probabilities of the samples that the network of a fold has not learned."""
        if progress.stage < self.settings.folds:
            held_out = self.fold == progress.stage
            probabilities = self.task.score(self.final_model()).probabilities
            self.out_of_sample[held_out] = probabilities.to(self.fold.device)[held_out]

    @property
    def judged(self) -> Tensor:
        """Bool (N,), samples whose fold had its turn; on the CPU."""
        return (self.out_of_sample.sum(1) > 0).cpu()

    def filter(self) -> None:
        """Let cleanlab judge every sample whose fold had its turn; trusted labels are never issues."""
        task = self.task
        judged = self.judged
        # cleanlab compares classes: of one alone there is nothing to say.
        if len(task.given_labels[judged].unique()) > 1:
            issue, quality = find_issues(self.out_of_sample.cpu()[judged], task.given_labels[judged])
            trusted, where = task.trusted[judged], judged.to(self.issue.device)
            self.issue[where] = (issue & ~trusted).to(where.device)
            self.quality[where] = quality.masked_fill(trusted, 1.0).to(where.device)
        self.filtered.fill_(True)

    def metrics(self) -> dict[str, float]:
        """How many samples are left out, once it is known."""
        return {"issues": float(self.issue.sum())} if self.filtered else {}

    def record(self) -> SampleRecord:
        """Easy are the samples that are no issue; label quality is cleanlab's, out of sample.

        Samples whose fold had no turn in a budget that was too small have that of the final network.
        """
        plain = super().record()
        if not self.filtered:
            return plain
        quality = torch.where(self.judged, self.quality.cpu(), plain.label_quality)
        easy = ~self.issue.cpu() & (self.judged | plain.easy)
        return replace(plain, easy=easy, easiness=quality, label_quality=quality)
