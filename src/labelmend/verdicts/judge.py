"""From the record of each sample to its verdict, in the paper's sets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelmend.selection.clean import looks_clean
from labelmend.verdicts.record import SampleRecord

EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN = "easy", "hard_clean", "hard_corrected", "uncertain"
VERDICTS = (EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN)

# Where labels look clean, a hard image is a likelier cause of a deviant vote than a wrong label.
SURE = 0.9


@dataclass(frozen=True)
class Judgement:
    """Verdicts on N samples.

    Attributes:
        verdict: int8 (N,), index into ``VERDICTS``.
        suggested: int64 (N,), the suggested label; equals the given label where nothing is suggested.
        confidence: float32 (N,), in [0, 1], how sure the suggested label is.
    """

    verdict: Tensor
    suggested: Tensor
    confidence: Tensor


def judge(record: SampleRecord, given_labels: Tensor) -> Judgement:
    """Sort samples into the paper's sets.

    Easy samples, which the evidence agrees with (``verdicts.evidence``), are ``easy``. A vote that confirms
    the given label makes a hard sample ``hard_clean``. A vote for another label makes it ``hard_corrected``,
    if the model finds that label more probable than the given one, and where labels look clean if it is sure.
    Everything else is ``uncertain``.

    The confidence of a voted label is the mean of its probability and its share of the votes; of any other
    label it is its probability.

    Args:
        record: of N samples.
        given_labels: int64 (N,).
    """
    easy, probabilities = record.easy, record.probabilities
    voted, confirmed = record.corrected >= 0, record.corrected == given_labels
    target = torch.where(voted, record.corrected, given_labels)
    of_target = probabilities.gather(1, target[:, None])[:, 0]
    of_given = probabilities.gather(1, given_labels[:, None])[:, 0]
    certainty = (of_target + record.vote_share) / 2

    suggestible = of_target > of_given
    if looks_clean(probabilities, given_labels):
        suggestible &= certainty >= SURE
    taken = voted & ~easy & (confirmed | suggestible)

    verdict = torch.full_like(given_labels, VERDICTS.index(UNCERTAIN))
    verdict[taken & confirmed] = VERDICTS.index(HARD_CLEAN)
    verdict[taken & ~confirmed] = VERDICTS.index(HARD_CORRECTED)
    verdict[easy] = VERDICTS.index(EASY)
    suggested = torch.where(taken, record.corrected, given_labels)
    of_suggested = probabilities.gather(1, suggested[:, None])[:, 0]
    return Judgement(verdict.to(torch.int8), suggested, torch.where(taken, certainty, of_suggested))
