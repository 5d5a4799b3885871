"""How many labels are wrong, from a sample that a person looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
LEAST_OF_A_STRATUM = 5
"""Images of each stratum in a sample, or all that it has: none may be judged by chance alone."""


@dataclass(frozen=True)
class Stratum:
    """What is known of one part of the images.

    Attributes:
        size: images of it in all, 1 or more.
        judged: how many of a random sample of them a person has judged.
        wrong: how many of those had a wrong label.
    """

    size: int
    judged: int
    wrong: int


@dataclass(frozen=True)
class AuditEstimate:
    """Share of wrong labels among all images, in [low, high] with 95 % confidence."""

    rate: float
    low: float
    high: float


def allocate(sizes: Sequence[int], count: int) -> list[int]:
    """How many images of each stratum to look at: in proportion to its size, and a few at least.

    Args:
        sizes: images of each stratum.
        count: images in all; more, if the least of every stratum come to more, and never more than there are.
    """
    total = sum(sizes)
    if count >= total:
        return list(sizes)
    least = [min(size, LEAST_OF_A_STRATUM) for size in sizes]
    shares = [size * count / total for size in sizes]
    taken = [max(int(share), few) for share, few in zip(shares, least, strict=True)]
    # What rounding down left goes to those that lost most by it; what the least took comes from the largest.
    for k in sorted(range(len(sizes)), key=lambda k: taken[k] - shares[k])[: max(count - sum(taken), 0)]:
        taken[k] += taken[k] < sizes[k]
    while sum(taken) > max(count, sum(least)):
        taken[taken.index(max(taken))] -= 1
    return taken


def draw_sample(strata: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Rows of a random sample of each stratum, in an order in which every stratum is met early.

    A larger sample of the same generator holds the smaller one.

    Args:
        strata: int (N,), stratum of each image, from 0.
        count: see ``allocate``.
        generator: source of chance.

    Returns:
        int64 (n,), row indices.
    """
    if not len(strata):
        return np.array([], dtype=np.int64)
    members = [np.flatnonzero(strata == k) for k in range(int(strata.max(initial=-1)) + 1)]
    taken = allocate([len(rows) for rows in members], count)
    drawn = [generator.permutation(rows)[:few] for rows, few in zip(members, taken, strict=True)]
    place = np.concatenate([(np.arange(len(rows)) + 0.5) / max(len(rows), 1) for rows in drawn])
    behind = np.concatenate([np.arange(len(rows)) > 0 for rows in drawn])
    return np.concatenate(drawn)[np.lexsort((place, behind))].astype(np.int64)


def wilson(wrong: int, judged: int, size: int) -> tuple[float, float]:
    """Wilson's interval of a share, of a sample without replacement from ``size`` images.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927; the sample
    counts for as many as its finite population makes it worth, n (N - 1) / (N - n).
    """
    if judged >= size:
        return wrong / size, wrong / size
    z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2
    worth = judged * (size - 1) / (size - judged)
    share = wrong / judged
    centre = (share + z2 / (2 * worth)) / (1 + z2 / worth)
    half = sqrt(z2 * (share * (1 - share) / worth + z2 / (4 * worth**2))) / (1 + z2 / worth)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def estimate(strata: Sequence[Stratum]) -> AuditEstimate | None:
    """Share of wrong labels among all images, weighted by the size of the strata.

    The interval joins Wilson's of each stratum by the squares of their arms (MOVER; Zou, Huang and Zhang, "A
    note on confidence interval estimation for a linear function of binomial proportions", CSDA 2009), which
    holds where a stratum of the sample has no wrong label, as the normal one does not.

    Returns:
        None until something was judged of every stratum.
    """
    if not strata or any(part.judged == 0 for part in strata):
        return None
    total = sum(part.size for part in strata)
    rate = below = above = 0.0
    for part in strata:
        weight, share = part.size / total, part.wrong / part.judged
        low, high = wilson(part.wrong, part.judged, part.size)
        rate += weight * share
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    return AuditEstimate(rate, max(rate - sqrt(below), 0.0), min(rate + sqrt(above), 1.0))
