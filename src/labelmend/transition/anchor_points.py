"""The transition matrix read off samples that are surely of their class (Patrini et al., CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_LEFT_OUT = 0.5
"""Of as many samples as are labelled as a class, the share that may be outliers of its column."""


def anchor_points(probabilities: Tensor, given_labels: Tensor, percentile: float) -> Tensor:
    """The sample that speaks for each class: that of the largest probability, outliers left out.

    Args:
        probabilities: of given labels, (N, C), rows sum to 1.
        given_labels: int64 (N,).
        percentile: in (0, 100]; of each column, the values from this percentile on are outliers. 100 leaves
            none out, as does a column that has nothing below its percentile. Where a class has so few samples
            that most would be left out, a higher one takes its place (not in the paper).

    Returns:
        int64 (C,), rows of ``probabilities``.
    """
    if percentile < 100:
        sizes = torch.bincount(given_labels, minlength=probabilities.shape[1])
        kept = (1 - MOST_LEFT_OUT * sizes.double() / len(probabilities)).clamp(min=percentile / 100).tolist()
        limits = torch.stack(
            [column.quantile(share) for column, share in zip(probabilities.T, kept, strict=True)]
        )
        below = probabilities < limits
        usable = below | ~below.any(0)
        probabilities = torch.where(usable, probabilities, -1.0)
    return probabilities.argmax(0)


def anchor_point_transition(probabilities: Tensor, given_labels: Tensor, percentile: float) -> Tensor:
    """``T[i, j] = p_j(x_i)``, x_i being the anchor point of class i.

    Args:
        probabilities: of given labels, (N, C), rows sum to 1, from a network trained on them.
        given_labels: int64 (N,).
        percentile: see ``anchor_points``.

    Returns:
        T[true, given], (C, C), row-stochastic; that of the identity for a class that no sample is given,
        which has no anchor point.
    """
    rows = probabilities[anchor_points(probabilities, given_labels, percentile)]
    num_classes = probabilities.shape[1]
    given = torch.bincount(given_labels, minlength=num_classes)[:, None] > 0
    return torch.where(given, rows / rows.sum(1, keepdim=True), torch.eye(num_classes))
