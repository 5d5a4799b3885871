"""The transition matrix read off samples that are surely of their class (Patrini et al., CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


def anchor_points(probabilities: Tensor, percentile: float) -> Tensor:
    """The sample that speaks for each class: that of the largest probability, outliers left out.

    Args:
        probabilities: of given labels, (N, C), rows sum to 1.
        percentile: in (0, 100]; of each column, the values from this percentile on are outliers. 100 leaves
            none out, as does a column that has nothing below its percentile.

    Returns:
        int64 (C,), rows of ``probabilities``.
    """
    if percentile < 100:
        limits = torch.stack([column.quantile(percentile / 100) for column in probabilities.T])
        below = probabilities < limits
        usable = below | ~below.any(0)
        probabilities = torch.where(usable, probabilities, -1.0)
    return probabilities.argmax(0)


def anchor_point_transition(probabilities: Tensor, percentile: float) -> Tensor:
    """``T[i, j] = p_j(x_i)``, x_i being the anchor point of class i.

    Args:
        probabilities: of given labels, (N, C), rows sum to 1, from a network trained on them.
        percentile: see ``anchor_points``.

    Returns:
        T[true, given], (C, C), row-stochastic.
    """
    rows = probabilities[anchor_points(probabilities, percentile)]
    return rows / rows.sum(1, keepdim=True)
