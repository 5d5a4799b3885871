"""Part-dependent noise: images are sums of parts, and each part has its own transition matrix."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from labelmend.errors import DataError
from labelmend.noise.inputs import check_labels, check_rate, require_option
from labelmend.noise.instance_per_class import truncated_normal
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import categorical, random_state

NAME = "part-dependent"
FIT_ROWS = 10_000
PARTS = 10
TARGET_CONCENTRATION = 0.2


def part_dependent(
    true: np.ndarray, features: np.ndarray, num_classes: int, rate: float, seed: int, parts: int = PARTS
) -> tuple[np.ndarray, NoiseRecord]:
    """Draw each given label from ``T(x_n)[y_n]``, where ``T(x) = sum_k w_k(x) P_k``.

    The model that Xia et al. (NeurIPS 2020) describe: an instance's transition matrix is the combination
    of the transition matrices of its parts, weighted by how much of each part it shows. Parts come from
    non-negative matrix factorisation of the features, and w(x) are the sample's coefficients, normalised to
    sum to 1. In their work this is what their *estimator* assumes; the generator they published
    and called by the same name is ``instance-per-class``, which has neither parts nor factorisation, and
    what later papers call "PTD" is often ``instance-shared``. In those two the chance of a flip
    does not depend on the image, only its target does; here both do.

    ``RandomState(seed)`` draws in this order: the rows on which the parts are fitted (at most 10,000; the
    factorisation's own start uses the same seed), flip rates (parts x C: normal of mean r and standard
    deviation 0.1, truncated to [0, 1]), flip targets of each part and class (Dirichlet of concentration 0.2
    over the other classes: a part looks like few of them), then one uniform a sample. Flip rates are scaled
    so that each class's expected rate is r.

    Args:
        true: int64 (N,), values in [0, C).
        features: non-negative (N, d): pixels or activations.
        num_classes: C, at least 2.
        rate: r in [0, 1]; 0 returns the labels unchanged.
        seed: of the draws.
        parts: number of parts, at least 2 and at most d.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If a label is out of range, or features are negative or infinite, do not fit the labels, or
            are all zero.
        SettingsError: If the rate or the number of parts is out of range.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    usable = bool(((features >= 0) & (features < np.inf)).all())
    if features.ndim != 2 or len(features) != len(labels) or not usable:
        raise DataError(
            f"features: found shape {features.shape}, but parts need finite, non-negative features of shape "
            f"({len(labels)}, d)"
        )
    most = min(features.shape[1], len(labels))
    require_option(2 <= parts <= most, "parts", parts, f"from 2 to {most}")
    given = labels.copy()
    if rate > 0:
        state = random_state(seed)
        fit_rows = state.permutation(len(labels))[:FIT_ROWS]
        if not features[fit_rows].any():
            raise DataError(
                f"features: those of {len(fit_rows):,} images drawn at random are all 0 (are the images "
                "black?), so that they have no parts"
            )
        weights = part_weights(features, parts, fit_rows, seed)
        matrices = part_matrices(weights, labels, num_classes, rate, state)
        uniform = state.random_sample(len(labels))
        for label in range(num_classes):
            rows = np.flatnonzero(labels == label)
            given[rows] = categorical(weights[rows] @ matrices[:, label], uniform[rows])
    record = NoiseRecord.of(
        NAME,
        labels,
        given,
        num_classes,
        version=2,  # 1 missed rates near 1: chances were cut off at 1 after they had been scaled.
        parameters={"parts": parts, "feature_dim": features.shape[1]},
        seed=seed,
        nominal_rate=rate,
    )
    return given, record


def part_weights(features: np.ndarray, parts: int, fit_rows: np.ndarray, seed: int) -> np.ndarray:
    """How much of each part a sample shows.

    Args:
        features: non-negative (N, d).
        parts: K.
        fit_rows: int64, rows on which the K parts are fitted; their coefficients are found for all rows.
        seed: of the factorisation's start.

    Returns:
        float64 (N, K), rows sum to 1: the share of the sample's reconstructed mass that each part makes up.
    """
    model = NMF(n_components=parts, init="nndsvda", random_state=seed, max_iter=200, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.asarray(features[fit_rows], dtype=np.float64))
        coefficients = model.transform(np.asarray(features, dtype=np.float64))
    mass = coefficients * model.components_.sum(axis=1) + 1e-12
    weights: np.ndarray = mass / mass.sum(axis=1, keepdims=True)
    return weights


def part_matrices(
    weights: np.ndarray, labels: np.ndarray, num_classes: int, rate: float, state: np.random.RandomState
) -> np.ndarray:
    """One row-stochastic ``T[true, given]`` for each of K parts, of expected rate r in every class.

    Args:
        weights: float64 (N, K), rows sum to 1.
        labels: int64 (N,), true labels.
        num_classes: C.
        rate: r in (0, 1].
        state: source of the draws.

    Returns:
        float64 (K, C, C).
    """
    parts = weights.shape[1]
    flip = truncated_normal(state.random_sample((parts, num_classes)), rate)
    targets = state.gamma(TARGET_CONCENTRATION, size=(parts, num_classes, num_classes))
    diagonal = np.arange(num_classes)
    targets[:, diagonal, diagonal] = 0
    targets /= targets.sum(axis=2, keepdims=True)
    for label in np.unique(labels):
        flip[:, label] = scaled_to_mean(flip[:, label], weights[labels == label].mean(axis=0), rate)
    matrices: np.ndarray = targets * flip[:, :, None]
    matrices[:, diagonal, diagonal] = 1 - flip
    return matrices


def scaled_to_mean(chances: np.ndarray, shares: np.ndarray, mean: float) -> np.ndarray:
    """Chances times one factor, at most 1 each, so that their weighted mean is a given one.

    Args:
        chances: float64 (K,), above 0.
        shares: their weights, float64 (K,), sum to 1.
        mean: in (0, 1].

    Returns:
        float64 (K,), in (0, 1].
    """
    scaled = chances.copy()
    free = np.ones(len(chances), dtype=bool)
    while free.any():
        missing = mean - shares[~free].sum()
        scaled[free] = scaled[free] * missing / (shares[free] @ scaled[free])
        over = scaled > 1
        scaled[over] = 1
        free &= ~over
        if not over.any():
            break
    return scaled
