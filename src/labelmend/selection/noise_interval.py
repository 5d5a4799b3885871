"""How far the estimated share of wrong labels can be off, and whether it says anything yet."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest
from torch import Tensor

from labelmend.selection.clean import implausible, implausible_below, looks_clean
from labelmend.selection.noise_rate import estimate_noise_rate

TOLD_WITHIN = 0.3
"""Widest interval of an estimate that says anything: with ends further apart the evidence does not agree on
which labels are wrong."""

LEVEL = 0.95


@dataclass(frozen=True)
class NoiseRate:
    """Share of wrong labels.

    Attributes:
        rate: the estimate, in [low, high].
        low: at least this share is wrong.
        high: at most this share is wrong.
    """

    rate: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        """Whether the interval is narrow enough for the estimate to be believed."""
        return self.high - self.low <= TOLD_WITHIN


def noise_rate(probabilities: Tensor, neighbour_label: Tensor, given_labels: Tensor) -> NoiseRate:
    """The estimate of the confident joint, within an interval of the evidence for and against each label.

    At least those labels are wrong that the model finds all but impossible and most neighbours do not have,
    less as many right ones as a model that is as sure as it is right finds impossible; where labels look
    clean, hard images explain them all. At most those are wrong that the model
    does not predict or most neighbours do not have. Both ends are widened by what chance does to a count
    (95 %, Wilson). A network that has learned too little finds few labels impossible and predicts many
    wrongly; one that has memorised its labels disagrees with few, and their neighbours with many: either way
    the ends are far apart.

    Args:
        probabilities: (N, C), rows sum to 1.
        neighbour_label: int64 (N,), what most of the nearest other samples were given, -1 for none.
        given_labels: int64 (N,).
    """
    count = len(given_labels)
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    against = neighbour_label != given_labels
    mistaken = float(probabilities.where(probabilities < implausible_below(probabilities), 0.0).sum())
    sure = int(max(float((against & implausible(probabilities, given_labels)).sum()) - mistaken, 0))
    doubted = int((against | (own < probabilities.amax(1))).sum())
    low = binomtest(sure, count).proportion_ci(LEVEL, "wilson").low
    high = binomtest(doubted, count).proportion_ci(LEVEL, "wilson").high
    low = 0.0 if looks_clean(probabilities, given_labels) else float(low)
    rate = min(max(estimate_noise_rate(probabilities, given_labels), low), high)
    return NoiseRate(rate, low, float(high))
