"""Anchors vote on hard samples, and what comes of it for each sample of the training set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from labelmend.correction.loose import Around, loose_votes
from labelmend.correction.nearest import match_anchors
from labelmend.correction.voting import accept, validity_threshold, vote
from labelmend.hallucination.anchors import AnchorBlock


@dataclass(frozen=True)
class Corrections:
    """What anchors say of N samples.

    Attributes:
        corrected: int64 (N,), label voted for each sample of S_h^c; -1 elsewhere.
        votes: int32 (N,), anchors that voted.
        vote_share: float32 (N,), share of them for the winner, in [0, 1].
        given_share: float32 (N,), share of them for the given label, in [0, 1].
        sources: int64 (N, 3), easy samples behind the nearest anchors, filled with -1.
        valid_anchors: how many anchors were valid.
    """

    corrected: Tensor
    votes: Tensor
    vote_share: Tensor
    given_share: Tensor
    sources: Tensor
    valid_anchors: int


def correct(
    anchors: Iterable[AnchorBlock],
    num_anchors: int,
    features: Tensor,
    easy: Tensor,
    given_labels: Tensor,
    num_classes: int,
    *,
    lambda_conf: float,
    surrounding: Literal["strict", "loose"],
    max_votes: int,
    min_votes: int = 1,
    min_agreement: float = 0.0,
    device: torch.device | None = None,
    together: Tensor | None = None,
) -> Corrections:
    """Correct the labels of hard samples by the votes of valid anchors (section 3.3).

    Args:
        anchors: some at a time; their sources count easy samples.
        num_anchors: of them in all.
        features: (N, d), of all samples, measured from where the anchors are.
        easy: bool (N,), the easy set.
        given_labels: int64 (N,).
        num_classes: C.
        lambda_conf: share of anchors, those least similar to a hard sample, that are not valid, in [0, 1).
        surrounding: ``strict`` lets anchors vote on their nearest hard sample, ``loose`` on all around them.
        max_votes: K.
        min_votes: fewest anchors for a vote to be taken.
        min_agreement: smallest share of the votes for the winner for a vote to be taken.
        device: where similarities are computed; by default that of ``features``.
        together: int64 (N,), equal for samples that must not speak for each other: an anchor does not vote on
            a hard sample that is together with the easy one behind it. By default each may.
    """
    hard, members = (~easy).nonzero()[:, 0], easy.nonzero()[:, 0]
    hard_features = features[hard].to(device)
    around = Around(hard_features, max_votes, num_anchors) if surrounding == "loose" else None
    matches = match_anchors(anchors, hard_features, num_anchors, around)
    threshold = validity_threshold(matches.similarity, lambda_conf)
    valid = matches.similarity > threshold
    owner = members[matches.source.cpu()]
    # Without anchors or hard samples there is nobody to be kept apart.
    groups = together.cpu() if together is not None and len(owner) and len(hard) else None
    if around is not None:
        # Where fewer anchors than K have been met, an index is -1, and its similarity that of no vote.
        apart = None if groups is None else groups[owner][around.anchors.cpu()] != groups[hard][:, None]
        votes = loose_votes(around, matches.labels, threshold, num_classes, apart)
    else:
        apart = None if groups is None else groups[owner] != groups[hard][matches.nearest.cpu()]
        votes = vote(
            matches.nearest,
            matches.similarity,
            matches.labels,
            valid if apart is None else valid & apart.to(valid.device),
            len(hard),
            num_classes,
            max_votes,
        )

    def over_all(of_hard: Tensor, elsewhere: float = 0) -> Tensor:
        found = torch.full((len(easy), *of_hard.shape[1:]), elsewhere, dtype=of_hard.dtype)
        found[hard] = of_hard
        return found

    taken = accept(votes, min_votes, min_agreement)
    source = torch.cat((owner, torch.tensor([-1])))
    return Corrections(
        corrected=over_all(torch.where(taken, votes.label, -1), -1),
        votes=over_all(votes.votes),
        vote_share=over_all(votes.share),
        given_share=over_all(votes.share_for(given_labels[hard])),
        # The last entry of ``source`` is that of no anchor, -1.
        sources=over_all(source[votes.top], -1),
        valid_anchors=int(valid.sum()),
    )
