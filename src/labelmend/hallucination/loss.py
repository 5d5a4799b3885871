"""The hallucination loss, eq. 2."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def similarity_loss(anchors: Tensor, s_u: Tensor, s_v: Tensor, lambda_p: float) -> Tensor:
    """``L_sim = -lambda_p <s_a, s_u> - (1 - lambda_p) <s_a, s_v>`` of section 3.2, mean over the batch.

    Args:
        anchors: s_a, (B, d).
        s_u: features (B, d), whose classes the anchors take.
        s_v: features (B, d) of their partners.
        lambda_p: in [0.5, 1], high = easy anchors, close to ``s_u``.

    Returns:
        Scalar in [-1, 1], low = similar.
    """
    to_own = functional.cosine_similarity(anchors, s_u, dim=1)
    to_partner = functional.cosine_similarity(anchors, s_v, dim=1)
    return -(lambda_p * to_own + (1 - lambda_p) * to_partner).mean()


def hallucination_loss(
    anchors: Tensor,
    s_u: Tensor,
    s_v: Tensor,
    labels_u: Tensor,
    head: Callable[[Tensor], Tensor],
    lambda_p: float,
) -> Tensor:
    """``L_hal = L_sim + H(g(s_a), y_u)``, eq. 2, mean over the batch.

    Args:
        anchors: s_a, (B, d).
        s_u: features (B, d).
        s_v: features (B, d) of their partners.
        labels_u: int64 (B,), the labels of ``s_u``.
        head: g, maps features (B, d) to logits (B, C).
        lambda_p: in [0.5, 1].

    Returns:
        Scalar.
    """
    classification = functional.cross_entropy(head(anchors), labels_u)
    return similarity_loss(anchors, s_u, s_v, lambda_p) + classification
