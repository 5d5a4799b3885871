"""Whether anchors are what section 3.2 asks for: between two samples, of the class of the first, many."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction.nearest import nearest_hard
from labelmend.hallucination.anchors import AnchorMaker
from labelmend.hallucination.closed_form import closed_form_anchors, similarity_bound
from labelmend.hallucination.loss import Head, similarity_loss
from labelmend.hallucination.partners import sample_partners

# Below these a hallucinator has degenerated: of the partner's share that closed-form anchors have, and of the
# hard samples that they reach. One that works has 0.9 of both; one trained on eq. 2 with both terms as they
# are has 0.07 and 0.13.
DEGENERATE_PARTNER, DEGENERATE_SPREAD = 0.5, 1 / 3

# Easy samples that are looked at, and partners of each.
SAMPLES, PARTNERS = 2000, 4

REPORTED = ("anchor_partner", "anchor_gap", "anchor_own_class", "anchor_spread", "anchor_degenerate")


@dataclass(frozen=True)
class AnchorQuality:
    """How good some anchors are.

    Attributes:
        partner: share of the variance of anchor directions that comes from the partner, in [0, 1].
        partner_closed_form: the same of closed-form anchors of the same pairs.
        gap: mean ``L_sim`` less the smallest that any anchors could have, 0 or more, low = good.
        own_class: share of anchors that the head assigns to the class of ``s_u``, in [0, 1].
        spread: distinct nearest hard samples, as a share of those that closed-form anchors of the same pairs
            have.
    """

    partner: float
    partner_closed_form: float
    gap: float
    own_class: float
    spread: float

    @property
    def degenerate(self) -> bool:
        """Whether anchors have forgotten their partner, or crowd on few hard samples."""
        forgotten = self.partner < DEGENERATE_PARTNER * self.partner_closed_form
        return forgotten or self.spread < DEGENERATE_SPREAD

    def report(self) -> dict[str, float]:
        """The numbers by the names that metrics give them."""
        values = (self.partner, self.gap, self.own_class, self.spread, float(self.degenerate))
        return dict(zip(REPORTED, values, strict=True))


def partner_share(anchors: Tensor, per_sample: int) -> float:
    """Share of the variance of anchor directions that remains when ``s_u`` is fixed.

    Args:
        anchors: (M R, d), R for each of M samples, one sample after the other.
        per_sample: R, at least 2.

    Returns:
        In [0, 1]; 0 where all anchors are alike.
    """
    unit = functional.normalize(anchors.float(), dim=1).view(-1, per_sample, anchors.shape[1])
    within = unit.var(dim=1).sum(1).mean()
    total = unit.flatten(0, 1).var(dim=0).sum()
    return float((within / total).clamp(0, 1)) if total > 0 else 0.0


@torch.no_grad()
def anchor_quality(
    make: AnchorMaker,
    features: Tensor,
    labels: Tensor,
    hard: Tensor,
    head: Head,
    lambda_p: float,
    origin: Tensor,
) -> AnchorQuality | None:
    """Judge the anchors of some pairs of easy samples, the same at each call; see ``AnchorQuality``.

    Args:
        make: what makes the anchors.
        features: (M, d), of the easy samples.
        labels: int64 (M,), their given labels.
        hard: (H, d), features of the hard samples.
        head: g.
        lambda_p: in [0.5, 1].
        origin: (d,), from where similarities to hard samples are measured.

    Returns:
        None where there is nothing to judge: fewer than two classes among ``labels``, or no hard sample.
    """
    draw = torch.Generator().manual_seed(0)
    partners = sample_partners(labels.cpu(), PARTNERS, draw)
    if not partners.numel() or not len(hard):
        return None
    chosen = torch.randperm(len(labels), generator=draw)[:SAMPLES]
    own, partner = chosen.repeat_interleave(PARTNERS), partners[chosen].flatten()
    s_u, s_v = features[own], features[partner]
    anchors, control = make(s_u, s_v), closed_form_anchors(s_u, s_v, lambda_p)
    found, possible = (
        len(nearest_hard(each - origin, hard - origin)[0].unique()) for each in (anchors, control)
    )
    bound = similarity_bound(s_u, s_v, lambda_p).mean()
    of_head = head(anchors).argmax(1)
    return AnchorQuality(
        partner=partner_share(anchors, PARTNERS),
        partner_closed_form=partner_share(control, PARTNERS),
        gap=float(similarity_loss(anchors, s_u, s_v, lambda_p) - bound),
        own_class=float((of_head == labels.to(of_head.device)[own]).float().mean()),
        spread=found / possible,
    )
