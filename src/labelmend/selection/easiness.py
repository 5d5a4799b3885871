"""How easy each sample is: the posterior of the low-loss group of a two-component mixture."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from labelmend.errors import DivergedError

FIT_ALL_UP_TO = 200_000
FIT_SUBSAMPLE = 100_000

REG_COVAR = 5e-4
"""Added to the variance of each component; that of DivideMix, as the defaults of ``loss_mixture`` are."""

SEED = 0
"""Of the initialisation of a mixture, and of the subsample that it is fitted to: a mixture repeats."""


@dataclass(frozen=True)
class LossMixture:
    """A two-component Gaussian mixture fitted to the losses of N samples.

    Attributes:
        easiness: float32 (N,) in [0, 1], high = easy.
        mean_gap: distance of the two means, as a share of the range of the losses.
        collapsed: whether the losses form one group, so that ``easiness`` is no posterior.
    """

    easiness: Tensor
    mean_gap: float
    collapsed: bool


def given_label_losses(probabilities: Tensor, given_labels: Tensor) -> Tensor:
    """Cross-entropy of each sample against its given label (section 3.1).

    Args:
        probabilities: (N, C), rows sum to 1; those below 1e-12 count as 1e-12.
        given_labels: int64 (N,).

    Returns:
        (N,), 0 or more, low = easy.
    """
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    return -own.clamp(min=1e-12).log()


def min_max(losses: Tensor) -> Tensor:
    """Scale losses (N,) linearly to [0, 1]; all 0 when they are all equal."""
    if losses.numel() == 0:
        return losses
    low, high = losses.min(), losses.max()
    return (losses - low) / (high - low) if high > low else torch.zeros_like(losses)


def loss_mixture(losses: Tensor, max_iter: int = 10, tol: float = 1e-2) -> LossMixture:
    """Fit the mixture of section 3.1 to min-max scaled losses; its easiness is the paper's omega.

    With unequal variances the posterior need not fall with the loss everywhere: far left of both means the
    wider component can win again.

    The mixture has collapsed when its means are closer than half the smallest standard deviation it
    can have, the root of ``REG_COVAR``: the losses then form one group, and its components differ in width
    alone. Easiness is then one minus the scaled loss: all 1 for equal losses, low for stray ones.

    Args:
        losses: (N,) cross-entropy against the given labels, in evaluation mode.
        max_iter: most steps of expectation maximisation.
        tol: gain in mean log-likelihood below which it stops.

    Raises:
        DivergedError: If a loss is not finite.
    """
    bad = int((~torch.isfinite(losses)).sum())
    if bad:
        raise DivergedError(
            f"{bad} of {losses.numel()} losses are not finite: training diverged; "
            "lower --lr, or take back what else was set, such as --temperature"
        )
    scaled = min_max(losses.detach().double().cpu())
    fallback = (1 - scaled).to(device=losses.device, dtype=torch.float32)
    if scaled.numel() < 2 or not bool(scaled.any()):
        return LossMixture(fallback, 0.0, True)
    values = scaled.numpy()[:, None]
    mixture = GaussianMixture(2, max_iter=max_iter, tol=tol, reg_covar=REG_COVAR, random_state=SEED)
    # k-means, which initialises the mixture, sums in the order its threads finish: one thread repeats.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Sorted, so that the result does not depend on the order of the samples.
        mixture.fit(_subsample(np.sort(values, axis=0)))
        posterior = mixture.predict_proba(values)
    means = mixture.means_[:, 0]
    gap = float(abs(means[0] - means[1]))
    if gap < 0.5 * math.sqrt(REG_COVAR):
        return LossMixture(fallback, gap, True)
    easiness = torch.from_numpy(posterior[:, int(means.argmin())].astype(np.float32))
    return LossMixture(easiness.clamp(0, 1).to(losses.device), gap, False)


def _subsample(values: np.ndarray) -> np.ndarray:
    """Rows to fit: all of them up to 200,000, above that 100,000 drawn at random."""
    if len(values) <= FIT_ALL_UP_TO:
        return values
    return values[np.random.default_rng(SEED).choice(len(values), FIT_SUBSAMPLE, replace=False)]
