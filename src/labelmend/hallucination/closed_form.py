"""The minimiser of the similarity loss in closed form: the control for the trained hallucinator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def closed_form_anchors(s_u: Tensor, s_v: Tensor, lambda_p: float) -> Tensor:
    """Anchors that minimise ``L_sim`` of section 3.2.

    The direction is ``lambda_p s_u/|s_u| + (1 - lambda_p) s_v/|s_v|``. The loss leaves the length
    free; it is the mean of ``|s_u|`` and ``|s_v|``, so that the head sees anchors of usual size.

    Args:
        s_u: features (B, d), whose classes the anchors take.
        s_v: features (B, d) of their partners.
        lambda_p: in [0.5, 1], high = close to ``s_u``.

    Returns:
        (B, d).
    """
    mix = lambda_p * functional.normalize(s_u, dim=1) + (1 - lambda_p) * functional.normalize(s_v, dim=1)
    return of_mean_length(mix, s_u, s_v)


def of_mean_length(anchors: Tensor, s_u: Tensor, s_v: Tensor) -> Tensor:
    """Anchors (B, d) scaled to the mean length of their features s_u and s_v, (B, d); zero ones stay zero."""
    length = (s_u.norm(dim=1, keepdim=True) + s_v.norm(dim=1, keepdim=True)) / 2
    scaled: Tensor = functional.normalize(anchors, dim=1) * length
    return scaled


def similarity_bound(s_u: Tensor, s_v: Tensor, lambda_p: float) -> Tensor:
    """Smallest ``L_sim`` that any anchor of each pair can reach.

    ``-sqrt(lambda_p^2 + (1 - lambda_p)^2 + 2 lambda_p (1 - lambda_p) <s_u, s_v>)``

    Args:
        s_u: features (B, d).
        s_v: features (B, d) of their partners.
        lambda_p: in [0.5, 1].

    Returns:
        (B,), in [-1, 0].
    """
    cosine = functional.cosine_similarity(s_u, s_v, dim=1)
    square = lambda_p**2 + (1 - lambda_p) ** 2 + 2 * lambda_p * (1 - lambda_p) * cosine
    return -torch.sqrt(square.clamp(min=0))
