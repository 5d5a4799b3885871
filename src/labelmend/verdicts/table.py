"""The per-sample table: one row a training image, in the order of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN = "easy", "hard_clean", "hard_corrected", "uncertain"
VERDICTS = (EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN)


@dataclass(frozen=True)
class SampleVerdicts:
    """What a method says of each of the N training samples, as arrays over the samples.

    Attributes:
        probabilities: float32 (N, C), the final model's class probabilities on each image.
        easiness: float32 (N,), posterior of the low-loss mixture component, in [0, 1], high = easy.
        verdict: int8 (N,), index into ``VERDICTS``.
        suggested: int64 (N,), the suggested label; equals the given label where nothing is suggested.
        confidence: float32 (N,), in [0, 1], how sure the suggested label is.
        label_quality: float32 (N,), in [0, 1], low = the given label is suspicious.
        votes: int32 (N,), valid anchors that voted; 0 where none did.
        vote_share: float32 (N,), share of them for the winning class; 0 where none voted.
        sources: int64 (N, S), indices of the easy samples behind the nearest anchors, best first,
            filled with -1.
    """

    probabilities: np.ndarray
    easiness: np.ndarray
    verdict: np.ndarray
    suggested: np.ndarray
    confidence: np.ndarray
    label_quality: np.ndarray
    votes: np.ndarray
    vote_share: np.ndarray
    sources: np.ndarray
