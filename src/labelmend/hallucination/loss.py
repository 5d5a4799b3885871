"""The hallucination loss, eq. 2."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Head = Callable[[Tensor], Tensor]
"""g, from features (B, d) to logits (B, C)."""

# The paper adds the two terms of eq. 2 as they are. Their scales are those of cosines and of logits, which
# depend on network and training. Added as they are, the second one wins: anchors forget their partner, and
# all that is left of a class is about one point. Over sharpened logits it acts on anchors on the wrong side
# of the boundary and leaves the others alone; with a small weight both aims are met (docs/PAPER.md has the
# trade-off). The sharpness is in units of the spread of the logits, so that it holds for any network.
SHARPNESS, CLASSIFICATION_WEIGHT = 0.1, 0.04


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


def logit_spread(logits: Tensor) -> float:
    """Mean over samples of the standard deviation over classes; 1 where there is none.

    Args:
        logits: (B, C).
    """
    spread = float(logits.std(dim=1).mean())
    return spread if spread > 0 else 1.0


def hallucination_loss(
    anchors: Tensor,
    s_u: Tensor,
    s_v: Tensor,
    labels_u: Tensor,
    head: Head,
    lambda_p: float,
    temperature: float = 1.0,
    weight: float = 1.0,
) -> Tensor:
    """``L_hal = L_sim + w H(g(s_a) / T, y_u)``, mean over the batch; eq. 2 where w and T are 1.

    Args:
        anchors: s_a, (B, d).
        s_u: features (B, d).
        s_v: features (B, d) of their partners.
        labels_u: int64 (B,), the labels of ``s_u``.
        head: g, maps features (B, d) to logits (B, C).
        lambda_p: in [0.5, 1].
        temperature: T above 0, in units of the logits; low = only anchors near or beyond the boundary count.
        weight: w, 0 or more.

    Returns:
        Scalar.
    """
    classification = functional.cross_entropy(head(anchors) / temperature, labels_u)
    return similarity_loss(anchors, s_u, s_v, lambda_p) + weight * classification
