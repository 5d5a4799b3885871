"""Symmetric noise in its two conventions, which the literature calls by one name."""

from __future__ import annotations

import numpy as np

from labelmend.noise.inputs import check_labels, check_rate
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import multinomial_labels, random_state

NAME = "symmetric"
NAME_INCLUSIVE = "symmetric-inclusive"


def symmetric(true: np.ndarray, num_classes: int, rate: float, seed: int) -> tuple[np.ndarray, NoiseRecord]:
    """Exclusive convention (Co-teaching, PES, VolMinNet): flip with probability r, to another class.

    ``T[i, i] = 1 - r`` and ``T[i, j] = r / (C - 1)``; one multinomial a sample from
    ``RandomState(seed)``, in order. The realised rate is r up to sampling error.

    Args:
        true: int64 (N,), values in [0, C).
        num_classes: C, at least 2.
        rate: r in [0, 1].
        seed: of the draws.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If a label is out of range.
        SettingsError: If the rate is.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1.0 - rate)
    given = multinomial_labels(labels, matrix, seed) if rate > 0 else labels.copy()
    return given, NoiseRecord.of(NAME, labels, given, num_classes, seed=seed, nominal_rate=rate)


def symmetric_inclusive(
    true: np.ndarray, num_classes: int, rate: float, seed: int
) -> tuple[np.ndarray, NoiseRecord]:
    """Inclusive convention (DivideMix, DISC): ``int(r N)`` samples get a label uniform over all C classes.

    The drawn label may be the true one, so the realised rate is near ``r (1 - 1/C)``: .45 for r = .5 and
    10 classes. To realise a rate R, ask for ``R C / (C - 1)``.

    Args:
        true: int64 (N,), values in [0, C).
        num_classes: C, at least 2.
        rate: r in [0, 1], the share of samples that are drawn anew.
        seed: of the draws: a permutation whose first ``int(r N)`` entries are drawn anew, then their labels.

    Returns:
        The given labels, int64 (N,), and their record, with ``expected_rate`` among the parameters.

    Raises:
        DataError: If a label is out of range.
        SettingsError: If the rate is.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    state = random_state(seed)
    redrawn = state.permutation(len(labels))[: int(rate * len(labels))]
    given = labels.copy()
    given[redrawn] = state.randint(0, num_classes, size=len(redrawn), dtype=np.int64)
    record = NoiseRecord.of(
        NAME_INCLUSIVE,
        labels,
        given,
        num_classes,
        parameters={"redrawn": len(redrawn), "expected_rate": rate * (1 - 1 / num_classes)},
        seed=seed,
        nominal_rate=rate,
    )
    return given, record
