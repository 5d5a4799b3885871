"""Is label noise instance-dependent? What can be told of a flip from the image, given its true class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from labelmend.config import require
from labelmend.errors import DataError
from labelmend.noise.inputs import check_labels

# The folds share training samples, which widens the null distribution by about a quarter: over 12 draws of
# symmetric noise on CIFAR-10 the root mean square distance is 1.27 of these standard errors.
SIGNIFICANT = 5.0


@dataclass(frozen=True)
class InstanceDependence:
    """How well a linear classifier predicts flips from features within each true class.

    Both areas under the ROC curve are 0.5 for noise that depends on the true class only, whatever its
    transition matrix, and above 0.5 where the noise depends on the image.

    Attributes:
        flip_auroc: of whether a sample's label is flipped, among the samples of its class.
        flip_error: standard error of ``flip_auroc`` if the noise were class-conditional.
        target_auroc: of which class a flipped sample goes to, among the flips of its class.
        target_error: standard error of ``target_auroc`` if the noise were class-conditional.

    An area that cannot be measured (too few flips, one target) is 0.5 with an infinite error.
    """

    flip_auroc: float
    flip_error: float
    target_auroc: float
    target_error: float

    @property
    def z(self) -> float:
        """The larger of the two distances from 0.5, in standard errors."""
        return max((self.flip_auroc - 0.5) / self.flip_error, (self.target_auroc - 0.5) / self.target_error)

    @property
    def instance_dependent(self) -> bool:
        """Whether class-conditional noise is ruled out at five standard errors."""
        return self.z > SIGNIFICANT


def instance_dependence(
    true: np.ndarray, given: np.ndarray, features: np.ndarray, num_classes: int, seed: int, folds: int = 5
) -> InstanceDependence:
    """Cross-validated areas under the ROC curve of predicting flips and their targets within each class.

    Logistic regression on standardised features, stratified folds. The areas of all classes (and targets)
    are averaged with weights n1 n0 / (n1 + n0 + 1), the inverse of their variances under class-conditional
    noise (Hanley & McNeil 1982), which also give the standard errors.

    Args:
        true: int64 (N,), values in [0, C).
        given: int64 (N,), values in [0, C).
        features: (N, d), of each image; not learned from the given labels.
        num_classes: C.
        seed: of the folds.
        folds: of the cross-validation, at least 2.

    Raises:
        DataError: If the columns differ in length.
        SettingsError: If there are fewer than two folds.
    """
    labels, noisy = check_labels(true, num_classes), check_labels(given, num_classes)
    if not len(labels) == len(noisy) == len(features):
        raise DataError(
            f"noise statistics: {len(labels)} true labels, {len(noisy)} given labels and {len(features)} "
            "rows of features, but all three must be of the same samples"
        )
    require(folds >= 2, "folds", folds, "at least 2")
    scale = features.std(axis=0)
    x = (features - features.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    flips: list[tuple[float, float]] = []
    targets: list[tuple[float, float]] = []
    for label in range(num_classes):
        rows = np.flatnonzero(labels == label)
        flipped = rows[noisy[rows] != label]
        flips += _areas(x[rows], (noisy[rows] != label).astype(np.int64), folds, seed)[1:]
        targets += _areas(x[flipped], noisy[flipped], folds, seed)
    return InstanceDependence(*_pooled(flips), *_pooled(targets))


def pixel_features(pixels: np.ndarray, components: int, seed: int) -> np.ndarray:
    """Principal components of images.

    Args:
        pixels: uint8 (N, height, width, channels), small (8 x 8 carries most of what a linear model can use).
        components: how many, at most min(N, height * width * channels).
        seed: of the decomposition.

    Returns:
        float64 (N, components), of unit variance each.
    """
    flat = pixels.reshape(len(pixels), -1).astype(np.float64) / 255
    scores: np.ndarray = PCA(components, whiten=True, random_state=seed).fit_transform(flat)
    return scores


def _areas(x: np.ndarray, outcome: np.ndarray, folds: int, seed: int) -> list[tuple[float, float]]:
    """(AUROC, weight) of each outcome against the others; outcomes too rare for the folds are left out."""
    values, counts = np.unique(outcome, return_counts=True)
    common = values[counts >= 2 * folds]
    keep = np.isin(outcome, common)
    x, outcome = x[keep], outcome[keep]
    if len(common) < 2:
        return []
    areas = np.zeros(len(common))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, outcome):
        model = LogisticRegression(C=0.1, max_iter=200).fit(x[train], outcome[train])
        chance = model.predict_proba(x[test])
        areas += [roc_auc_score(outcome[test] == value, chance[:, i]) for i, value in enumerate(common)]
    ones = np.array([(outcome == value).sum() for value in common])
    weights = ones * (len(outcome) - ones) / (len(outcome) + 1)
    return list(zip((areas / folds).tolist(), weights.tolist(), strict=True))


def _pooled(areas: list[tuple[float, float]]) -> tuple[float, float]:
    """Weighted mean of areas and its standard error; the variance of one is 1 / (12 weight)."""
    if not areas:
        return 0.5, float("inf")
    values, weights = np.array(areas).T
    return float(np.average(values, weights=weights)), float(1 / np.sqrt(12 * weights.sum()))
