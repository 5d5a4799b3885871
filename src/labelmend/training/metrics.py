"""How good a run is, where true labels are known; for reporting only, never for choosing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from labelmend.data.image_set import ImageSet
from labelmend.methods.base import Method
from labelmend.methods.mend import FEW_IMAGES
from labelmend.selection.clean import looks_clean
from labelmend.selection.noise_interval import noise_rate
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.scoring import View, accuracy, score_images
from labelmend.training.setup import Setup
from labelmend.verdicts.judge import VERDICTS, judge
from labelmend.verdicts.record import SampleRecord

# Epochs of the default recipes, and so many that networks may know each of few images by heart.
USUAL_EPOCHS, MANY_EPOCHS = 40, 100


class Evaluator(Protocol):
    """Built once for a run; asked at the end of each epoch."""

    def __call__(self, method: Method, epoch: int, last: bool) -> Iterator[tuple[str, float]]:
        """Names and values of what it measures.

        Args:
            method: as it is now.
            epoch: number of the epoch, from 1.
            last: whether the budget is spent.
        """
        ...


@dataclass(frozen=True)
class TestAccuracy:
    """Accuracy of the model that would be final now, on images whose labels are true.

    Attributes:
        test_set: the images.
        normalisation: prepares a batch of them.
        arithmetic: device, precision and memory format.
        flip_average: whether predictions are averaged over each image and its mirror image.
        every: epochs between two scorings; the last epoch is always scored.
    """

    __test__ = False

    test_set: ImageSet
    normalisation: View
    arithmetic: Arithmetic
    flip_average: bool
    every: int

    def __call__(self, method: Method, epoch: int, last: bool) -> Iterator[tuple[str, float]]:
        """``test_accuracy``, in [0, 1], in the epochs in which it is due."""
        if epoch % self.every == 0 or last:
            scores = score_images(
                method.final_model(),
                self.test_set.images,
                self.normalisation,
                self.arithmetic,
                method.probabilities,
                self.flip_average,
            )
            labels = torch.from_numpy(self.test_set.given_labels)
            yield "test_accuracy", accuracy(scores.probabilities, labels)


@dataclass(frozen=True)
class SelectionQuality:
    """How the current selection compares with the true labels.

    Attributes:
        given_labels: int64 (N,).
        true_labels: int64 (N,).
    """

    given_labels: np.ndarray
    true_labels: np.ndarray

    def __call__(self, method: Method, epoch: int, last: bool) -> Iterator[tuple[str, float]]:
        """See ``selection_quality``; nothing before the first selection."""
        record = method.selection()
        if record is not None:
            yield from selection_quality(record, self.given_labels, self.true_labels).items()


def evaluators(
    train_set: ImageSet, test_set: ImageSet | None, setup: Setup, test_every: int
) -> list[Evaluator]:
    """What can be measured of a run, given which true labels are known."""
    found: list[Evaluator] = []
    if train_set.true_labels is not None:
        found.append(SelectionQuality(train_set.given_labels, train_set.true_labels))
    if test_set is not None:
        found.append(
            TestAccuracy(test_set, setup.normalisation, setup.arithmetic, setup.flip_average, test_every)
        )
    return found


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def selection_quality(
    record: SampleRecord, given_labels: np.ndarray, true_labels: np.ndarray
) -> dict[str, float]:
    """Compare a selection with the true labels.

    Args:
        record: of N samples.
        given_labels: int64 (N,).
        true_labels: int64 (N,).

    Returns:
        ``easy_purity`` (share of easy samples whose given label is true), ``kept_accuracy`` and
        ``corrected_accuracy`` (share of hard samples, whose vote confirms / changes the given label,
        that end with the true label) and ``detection_ap`` (average precision of low ``label_quality``
        for finding wrong labels). Each is in [0, 1], high = good, and left out where undefined.
    """
    easy, corrected = record.easy.numpy(), record.corrected.numpy()
    wrong = given_labels != true_labels
    voted = corrected >= 0
    kept, changed = voted & (corrected == given_labels), voted & (corrected != given_labels)
    found = {
        "easy_purity": _share(~wrong[easy]),
        "kept_accuracy": _share(~wrong[kept]),
        "corrected_accuracy": _share((corrected == true_labels)[changed]),
        "detection_ap": detection_ap(record, wrong),
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}


def detection_ap(record: SampleRecord, wrong: np.ndarray) -> float:
    """Average precision of low ``label_quality`` for finding wrong labels; NaN where none is wrong.

    Args:
        record: of N samples.
        wrong: bool (N,).
    """
    # Not 1 - quality: that is 1 for every quality below 3e-8.
    return (
        float(average_precision_score(wrong, -record.label_quality.numpy())) if wrong.any() else float("nan")
    )


def detection(record: SampleRecord, wrong: np.ndarray, rate: float) -> dict[str, float]:
    """How well a finished run finds wrong labels, and its nearest neighbours alone.

    Args:
        record: of N samples, whose neighbours have been asked.
        wrong: bool (N,).
        rate: estimated share of wrong labels, in [0, 1].

    Returns:
        ``detection_ap`` (see above) and ``detection_auroc`` of low ``label_quality``; ``detection_precision``
        and ``detection_recall`` of the ``rate`` x N samples with the lowest; ``neighbour_ap`` and
        ``neighbour_auroc`` of low ``neighbour_support``, which is of the same features and of no head.
        Each is in [0, 1], high = good; none where no label or every label is wrong.
    """
    if wrong.all() or not wrong.any():
        return {}
    quality, support = record.label_quality.numpy(), record.neighbour_support.numpy()
    lowest = np.argsort(quality, kind="stable")[: round(rate * len(quality))]
    found = {
        "detection_ap": detection_ap(record, wrong),
        "detection_auroc": float(roc_auc_score(wrong, -quality)),
        "detection_recall": float(wrong[lowest].sum() / wrong.sum()),
        "neighbour_ap": float(average_precision_score(wrong, -support)),
        "neighbour_auroc": float(roc_auc_score(wrong, -support)),
    }
    return found | ({"detection_precision": _share(wrong[lowest])} if len(lowest) else {})


def test_accuracies(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Test accuracy of the last epoch, the mean of the last 10 scored ones, and the best.

    The best is named so, because the literature prints it; nothing is chosen by it.

    Args:
        rows: metrics of each epoch.

    Returns:
        Shares by name; none where no epoch was scored.
    """
    tests = [row["test_accuracy"] for row in rows if "test_accuracy" in row]
    if not tests:
        return {}
    last_ten = tests[-10:]
    return {
        "test_accuracy_last": tests[-1],
        "test_accuracy_mean_of_last_10": math.fsum(last_ten) / len(last_ten),
        "test_accuracy_best": max(tests),
    }


def summarise(record: SampleRecord, train_set: ImageSet) -> dict[str, Any]:
    """What was found of the labels, in a few numbers.

    Args:
        record: what the finished model says of the N training samples.
        train_set: the N images.
    """
    given = torch.from_numpy(train_set.given_labels)
    verdict = judge(record, given).verdict
    noise = noise_rate(record.probabilities, record.neighbour_label, given)
    summary: dict[str, Any] = {
        "samples": len(train_set),
        "verdicts": {name: int((verdict == i).sum()) for i, name in enumerate(VERDICTS)},
        "estimated_noise_rate": noise.rate,
        "estimated_noise_interval": [noise.low, noise.high],
        "estimated_noise_told": noise.told,
        "looks_clean": looks_clean(record.probabilities, given),
    }
    if train_set.true_labels is not None:
        summary |= detection(record, train_set.given_labels != train_set.true_labels, noise.rate)
    return summary


def of_few_images(summary: dict[str, Any]) -> bool:
    """Whether a run, by its summary, learned so few images that networks come to know each by heart."""
    return "samples" in summary and summary["samples"] < FEW_IMAGES


def by_heart(summary: dict[str, Any]) -> str | None:
    """That a network saw few images so often that it may know wrong labels by heart, in one line; else None.

    On 1,000 images with 30 % wrong labels runs of 150 epochs told of 4 to 23 %, one of 40 epochs that the
    share cannot be told (docs/LOG.md). Heads on frozen features are judged on images they did not learn.

    Args:
        summary: of the run; that of an older version does not tell.
    """
    epochs = summary.get("epochs", 0)
    if not (summary.get("learns_features") and of_few_images(summary) and epochs > MANY_EPOCHS):
        return None
    return (
        f"{epochs:.0f} epochs of {summary['samples']:,} images: a network may learn wrong labels by heart, "
        "so that fewer are found and their share is estimated too low; compare with a run of "
        f"--epochs {USUAL_EPOCHS}"
    )


def cut_short(summary: dict[str, Any]) -> str | None:
    """Which part of its method a run never came to, in one line; None where it came to all.

    Args:
        summary: of the run; that of an older version does not tell.
    """
    stages, begun = summary.get("stages", 1), summary.get("stages_begun", 1)
    if begun < stages:
        return (
            f"the budget ended before {stages - begun} of the {stages} stages of the method began; "
            "give it a longer one"
        )
    if not summary.get("has_selected", True):
        return (
            "no samples were selected in training: every epoch began in the warm-up, so all given labels "
            "were learned as they are; give a longer budget or a shorter --warmup"
        )
    return None


def caveats(summary: dict[str, Any]) -> list[str]:
    """What a reader of a run's result must know first, a line each; see ``cut_short`` and ``by_heart``."""
    return [line for line in (cut_short(summary), by_heart(summary)) if line is not None]
