"""Which labels are called wrong, and which are believed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelmend.selection.balance import balanced
from labelmend.selection.noise_rate import estimate_noise_rate
from labelmend.verdicts.evidence import contradicts, excuses
from labelmend.verdicts.judge import HARD_CORRECTED, UNCERTAIN, VERDICTS, judge
from labelmend.verdicts.record import SampleRecord

UNCERTAIN_ISSUE_BELOW = 0.1
"""An uncertain sample counts as a label issue where its label quality is below this, and below half of
chance (0.5 / C): the model alone must be nearly sure that it is wrong, unless neighbours agree with it."""


def is_label_issue(
    verdict: np.ndarray, label_quality: np.ndarray, record: SampleRecord, given_labels: Tensor
) -> np.ndarray:
    """Which samples count as label issues.

    Args:
        verdict: int array of shape (N,), indices into ``VERDICTS``.
        label_quality: array of shape (N,), in [0, 1], low = the given label is suspicious.
        record: of N samples, for the evidence.
        given_labels: int64 (N,).

    Returns:
        bool array of shape (N,): True for ``hard_corrected``, and for ``uncertain`` that is contradicted,
        or has a label quality below both ``UNCERTAIN_ISSUE_BELOW`` and 0.5 / C that nothing excuses.
    """
    contradicted, excused = contradicts(record, given_labels).numpy(), excuses(record, given_labels).numpy()
    corrected = verdict == VERDICTS.index(HARD_CORRECTED)
    threshold = min(UNCERTAIN_ISSUE_BELOW, 0.5 / record.num_classes)
    doubtful = (verdict == VERDICTS.index(UNCERTAIN)) & (
        contradicted | ((label_quality < threshold) & ~excused)
    )
    return np.asarray(corrected | doubtful)


def believed_labels(record: SampleRecord, given_labels: Tensor, trusted: Tensor) -> Tensor:
    """The label of each sample that a classifier should learn: suggested, given, or none.

    Args:
        record: of N samples.
        given_labels: int64 (N,).
        trusted: bool (N,), labels a person has confirmed; these are kept.

    Returns:
        int64 (N,); -1 for label issues without a suggestion.
    """
    judged = judge(record, given_labels)
    issue = is_label_issue(judged.verdict.numpy(), record.label_quality.numpy(), record, given_labels)
    found = believed(issue, judged.suggested.numpy(), given_labels.numpy(), trusted.numpy())
    return torch.from_numpy(found)


def undoubted_labels(
    labels: Tensor, given_labels: Tensor, held_out: Tensor, trusted: Tensor, known: Tensor
) -> Tensor:
    """Believed labels less those, by heads that have not learned them, that are wrong all the same.

    How many that is comes from the estimated share of wrong labels, less the given ones that are not believed
    any more: where all wrong ones are found, what heads doubt are right labels of hard images, which a
    classifier needs. The least probable are left out, none that is as probable as chance (1 / C).
    Probabilities count as if classes were of one size, else a small class would lose many of its labels. Of a
    class that a head has not learned at all it knows nothing; such labels are kept, and so are those of a
    class that would have none left.

    Args:
        labels: int64 (N,), -1 for none.
        given_labels: int64 (N,).
        held_out: (N, C), probabilities of heads that were kept from the sample; rows sum to 1.
        trusted: bool (N,), labels a person has confirmed; these are kept.
        known: bool (N, C), classes that the head that was kept from the sample has learned.

    Returns:
        int64 (N,); -1 for none.
    """
    fair = known.gather(1, given_labels[:, None])[:, 0]
    wrong = round(estimate_noise_rate(held_out[fair], given_labels[fair]) * len(labels))
    remaining = max(wrong - int((labels != given_labels).sum()), 0)
    even = balanced(held_out, labels[labels >= 0])
    at = labels.clamp(min=0)[:, None]
    own, fair = even.gather(1, at)[:, 0], known.gather(1, at)[:, 0]
    doubted = (~trusted & fair & (labels >= 0) & (own < 1 / held_out.shape[1])).nonzero()[:, 0]
    least = doubted[own[doubted].argsort(stable=True)[:remaining]]
    left = labels.index_fill(0, least, -1)
    return torch.where(torch.isin(labels, left), left, labels)


def believed(
    issue: np.ndarray, suggested: np.ndarray, given_labels: np.ndarray, trusted: np.ndarray
) -> np.ndarray:
    """The label of each sample that a classifier should learn, from its verdict.

    Args:
        issue: bool array of shape (N,), label issues.
        suggested: int64 array of shape (N,), the given label where no other is suggested.
        given_labels: int64 array of shape (N,).
        trusted: bool array of shape (N,), labels a person has confirmed; these are kept.

    Returns:
        int64 array of shape (N,); -1 for label issues without a suggestion.
    """
    unknown = issue & (suggested == given_labels)
    return np.where(trusted, given_labels, np.where(unknown, -1, suggested))
