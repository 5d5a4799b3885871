"""How suggestions move images between classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_CLASSES = 25
"""Classes of a heat map; more cannot be read."""


@dataclass(frozen=True)
class Flow:
    """Suggestions between classes.

    Attributes:
        classes: indices of the K classes with most suggestions from or to them, in their order.
        images: int64 (K, K), ``images[given, suggested]``.
        left_out: suggestions from or to other classes.
    """

    classes: list[int]
    images: np.ndarray
    left_out: int


def count_flow(given: np.ndarray, suggested: np.ndarray, num_classes: int, most: int = MOST_CLASSES) -> Flow:
    """How many images would move between classes if all suggestions were accepted.

    Args:
        given: int64 (N,), given labels.
        suggested: int64 (N,), suggested labels; the given ones where nothing is suggested.
        num_classes: C.
        most: classes that are told apart.
    """
    moved = given != suggested
    given, suggested = given[moved], suggested[moved]
    taking_part = np.bincount(given, minlength=num_classes) + np.bincount(suggested, minlength=num_classes)
    ranked = np.argsort(-taking_part, kind="stable")[:most]
    classes = sorted(int(c) for c in ranked if taking_part[c])
    place = np.full(num_classes, -1)
    place[classes] = np.arange(len(classes))
    inside = (place[given] >= 0) & (place[suggested] >= 0)
    images = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(images, (place[given[inside]], place[suggested[inside]]), 1)
    return Flow(classes, images, int((~inside).sum()))
