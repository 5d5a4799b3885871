"""Draws of one label a sample.

All noise models draw from ``numpy.random.RandomState``: NumPy guarantees its stream for good, and the
published generators use it, so that a seed means the same labels in every version.
"""

from __future__ import annotations

import numpy as np

from labelmend.noise.inputs import check_seed


def random_state(seed: int) -> np.random.RandomState:
    """The source of all draws of one noise.

    Raises:
        SettingsError: If the seed is not in [0, 2**32).
    """
    return np.random.RandomState(check_seed(seed))


def multinomial_labels(true: np.ndarray, matrix: np.ndarray, seed: int) -> np.ndarray:
    """Draw each given label from the row of its true label, one multinomial a sample, in order.

    This is the stream of the public generators that call ``RandomState(seed).multinomial(1, row)`` for
    each sample (Patrini et al. 2017, Co-teaching, VolMinNet, PES), so equal seeds give equal labels.

    Args:
        true: int64 (N,), values in [0, C).
        matrix: float64 (C, C), ``T[true, given]``, rows sum to 1.
        seed: of the draws.

    Returns:
        int64 (N,) given labels.
    """
    draw = random_state(seed).multinomial
    rows = list(matrix)
    labels = (draw(1, rows[label]).argmax() for label in true.tolist())
    return np.fromiter(labels, dtype=np.int64, count=len(true))


def categorical(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Inverse-CDF draws, the arithmetic of ``RandomState.choice(C, p=row)``.

    Args:
        probabilities: float64 (N, C), non-negative rows with a positive sum.
        uniform: float64 (N,), in [0, 1).

    Returns:
        int64 (N,): in each row the number of normalised cumulative probabilities that are <= uniform.
    """
    cumulative = np.cumsum(probabilities, axis=1)
    cumulative /= cumulative[:, -1:]
    labels: np.ndarray = (cumulative <= uniform[:, None]).sum(axis=1, dtype=np.int64)
    return labels


def flip_to_scores(scores: np.ndarray, true: np.ndarray, flip_rates: np.ndarray) -> np.ndarray:
    """Label probabilities: stay with 1 - q, else go to another class by the softmax of its score.

    Args:
        scores: float64 (N, C); the true class's own score is ignored.
        true: int64 (N,).
        flip_rates: float64 (N,), q_n in [0, 1].

    Returns:
        float64 (N, C), rows sum to 1.
    """
    rows = np.arange(len(true))
    others = scores.copy()
    others[rows, true] = -np.inf
    others -= others.max(axis=1, keepdims=True)
    np.exp(others, out=others)
    probabilities: np.ndarray = others / others.sum(axis=1, keepdims=True) * flip_rates[:, None]
    probabilities[rows, true] = 1.0 - flip_rates
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities
