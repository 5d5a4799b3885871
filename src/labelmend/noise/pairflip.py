"""Pair-flip noise: each class is taken for the next."""

from __future__ import annotations

import numpy as np

from labelmend.noise.inputs import check_labels, check_rate
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import multinomial_labels

NAME = "pairflip"


def pairflip(true: np.ndarray, num_classes: int, rate: float, seed: int) -> tuple[np.ndarray, NoiseRecord]:
    """Flip class i to ``(i + 1) mod C`` with probability r (Co-teaching, Han et al. 2018).

    One multinomial a sample from ``RandomState(seed)``, in order.

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
    matrix = (1.0 - rate) * np.eye(num_classes) + rate * np.roll(np.eye(num_classes), 1, axis=1)
    given = multinomial_labels(labels, matrix, seed)
    return given, NoiseRecord.of(NAME, labels, given, num_classes, seed=seed, nominal_rate=rate)
