"""Valid anchors vote on the labels of hard samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from labelmend.config import require

TOP_ANCHORS = 3


@dataclass(frozen=True)
class Votes:
    """The outcome of the vote on each of H hard samples.

    Attributes:
        label: int64 (H,), the winning class; -1 where no anchor voted.
        votes: int32 (H,), anchors that voted, at most K.
        share: float32 (H,), share of them for the winning class, in [0, 1], high = agreed; 0 where
            none voted.
        top: int64 (H, 3), indices of the nearest anchors that voted, best first, filled with -1.
        candidates: int64 (M, 2), hard sample and class of everything voted for, in rising order.
        ballots: int64 (M,), votes for each.
    """

    label: Tensor
    votes: Tensor
    share: Tensor
    top: Tensor
    candidates: Tensor = field(default_factory=lambda: torch.empty(0, 2, dtype=torch.int64))
    ballots: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def share_for(self, labels: Tensor) -> Tensor:
        """Share of the votes on each hard sample that is for a label of its own.

        Args:
            labels: int64 (H,).

        Returns:
            float32 (H,), in [0, 1]; 0 where none voted.
        """
        hard, voted_for = self.candidates.unbind(1)
        chosen = voted_for == labels.cpu()[hard]
        count = torch.zeros_like(self.votes, dtype=torch.int64)
        count[hard[chosen]] = self.ballots[chosen]
        return count.float() / self.votes.clamp(min=1)


def validity_threshold(similarity: Tensor, lambda_conf: float) -> float:
    """Similarity strictly above which an anchor is valid (section 3.3).

    The ``floor(lambda_conf A)`` anchors of lowest similarity are not. Those that tie with the lowest valid
    one all are.

    Args:
        similarity: float32 (A,), of each anchor to its nearest hard sample.
        lambda_conf: in [0, 1).

    Raises:
        SettingsError: If lambda_conf is out of range.
    """
    require(0 <= lambda_conf < 1, "lambda_conf", lambda_conf, "from 0 to below 1")
    if similarity.numel() == 0:
        return 1.0
    lowest_valid = similarity.float().sort().values[math.floor(lambda_conf * similarity.numel())]
    return float(torch.nextafter(lowest_valid, torch.full_like(lowest_valid, -math.inf)))


def vote(
    nearest: Tensor,
    similarity: Tensor,
    anchor_labels: Tensor,
    valid: Tensor,
    num_hard: int,
    num_classes: int,
    max_votes: int,
) -> Votes:
    """Majority vote of section 3.3 in the strict reading of "surrounding".

    On hard sample h vote the valid anchors whose nearest hard sample is h, the K most similar ones
    (ties: smaller anchor index). The majority wins; ties go to the larger summed cosine similarity,
    then to the smaller class index.

    Args:
        nearest: int64 (A,), the nearest hard sample of each anchor; those at -1 do not vote.
        similarity: float32 (A,), their similarity.
        anchor_labels: int64 (A,), in [0, C).
        valid: bool (A,).
        num_hard: H.
        num_classes: C.
        max_votes: K.
    """
    anchors = (valid & (nearest >= 0)).nonzero()[:, 0]
    return tally(
        nearest[anchors],
        similarity[anchors],
        anchor_labels[anchors],
        anchors,
        num_hard,
        num_classes,
        max_votes,
    )


def tally(
    hard: Tensor,
    similarity: Tensor,
    labels: Tensor,
    anchors: Tensor,
    num_hard: int,
    num_classes: int,
    max_votes: int,
) -> Votes:
    """Count ballots, keeping the K most similar of each hard sample; ties as in ``vote``.

    Args:
        hard: int64 (V,), the hard sample of each ballot, in [0, H).
        similarity: float32 (V,), of anchor and hard sample.
        labels: int64 (V,), class voted for, in [0, C).
        anchors: int64 (V,), index of the anchor, rising among the ballots of a hard sample that tie.
        num_hard: H.
        num_classes: C.
        max_votes: K.
    """
    # On the CPU, where sums are exact in double precision and repeat; some devices have neither.
    hard, similarity, labels, anchors = (x.cpu() for x in (hard, similarity, labels, anchors))
    order = _order(hard, -similarity)
    hard, similarity, labels, anchors = hard[order], similarity[order], labels[order], anchors[order]
    place = _place_in_run(hard, num_hard)
    keep = place < max_votes
    hard, similarity, labels, anchors, place = (x[keep] for x in (hard, similarity, labels, anchors, place))
    top = torch.full((num_hard, TOP_ANCHORS), -1, dtype=torch.int64, device=hard.device)
    shown = place < TOP_ANCHORS
    top[hard[shown], place[shown]] = anchors[shown]
    # One candidate for each hard sample and class voted for, never a dense (H, C) table.
    pairs, candidate = torch.unique(hard * num_classes + labels, return_inverse=True)
    count = torch.bincount(candidate, minlength=len(pairs))
    summed = torch.bincount(candidate, weights=similarity.double(), minlength=len(pairs))
    where, which = pairs // num_classes, pairs % num_classes
    ranked = _order(where, -count, -summed)
    winner = ranked[_place_in_run(where[ranked], num_hard) == 0]
    label = torch.full((num_hard,), -1, dtype=torch.int64, device=hard.device)
    label[where[winner]] = which[winner]
    votes = torch.bincount(hard, minlength=num_hard)
    won = torch.zeros_like(votes)
    won[where[winner]] = count[winner]
    candidates = torch.stack((where, which), dim=1)
    return Votes(label, votes.int(), won.float() / votes.clamp(min=1), top, candidates, count)


def accept(votes: Votes, min_votes: int = 1, min_agreement: float = 0.0) -> Tensor:
    """Hard samples whose vote is taken: ``S_h^c`` of section 3.4.

    Args:
        votes: the outcome.
        min_votes: fewest anchors that must have voted.
        min_agreement: smallest share for the winning class, in [0, 1].

    Returns:
        bool (H,); never True where no anchor voted.
    """
    return (votes.label >= 0) & (votes.votes >= min_votes) & (votes.share >= min_agreement)


def _order(*keys: Tensor) -> Tensor:
    """Stable order by the first key, then the second, and so on, all rising."""
    order = torch.arange(len(keys[0]), device=keys[0].device)
    for key in reversed(keys):
        order = order[torch.argsort(key[order], stable=True)]
    return order


def _place_in_run(groups: Tensor, num_groups: int) -> Tensor:
    """Place of each element among those of its group, from 0; ``groups`` is sorted."""
    counts = torch.bincount(groups, minlength=num_groups)
    starts = counts.cumsum(0) - counts
    return torch.arange(len(groups), device=groups.device) - starts[groups]
