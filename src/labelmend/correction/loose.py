"""The loose reading of the vote: every valid anchor around a hard sample counts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction.nearest import TILE_COLUMNS, TILE_ROWS
from labelmend.correction.voting import Votes, tally
from labelmend.hallucination.anchors import AnchorBlock


@torch.no_grad()
def loose_votes(
    blocks: Iterable[AnchorBlock], hard: Tensor, threshold: float, num_classes: int, max_votes: int
) -> Votes:
    """Majority vote of section 3.3 in the loose reading of "surrounding".

    On hard sample h vote the K anchors most similar to h, whatever their nearest hard sample, whose
    similarity to h is above the threshold; such anchors are always valid. The vote is as in ``vote``.

    Args:
        blocks: anchors, some at a time; only the labels and features are used.
        hard: (H, d), features of the hard samples.
        threshold: cosine strictly above which an anchor votes, from ``validity_threshold``.
        num_classes: C.
        max_votes: K.

    Returns:
        The outcome; anchors are counted in the order of the blocks.
    """
    unit = functional.normalize(hard.float(), dim=1)
    best = torch.full((len(hard), max_votes), threshold, device=hard.device)
    voters = torch.full((len(hard), max_votes), -1, dtype=torch.int64, device=hard.device)
    labels, seen = [torch.empty(0, dtype=torch.int64, device=hard.device)], 0
    for features, block_labels, _ in blocks:
        labels.append(block_labels.to(hard.device))
        for rows in torch.split(features, TILE_ROWS):
            anchors = functional.normalize(rows.to(hard.device).float(), dim=1)
            for top in range(0, len(hard), TILE_COLUMNS):
                part = slice(top, top + TILE_COLUMNS)
                _merge(unit[part] @ anchors.T, seen, best[part], voters[part])
            seen += len(rows)
    filled = voters >= 0
    ballots = filled.nonzero()[:, 0]
    anchors = voters[filled]
    return tally(
        ballots, best[filled], torch.cat(labels)[anchors], anchors, len(hard), num_classes, max_votes
    )


def _merge(similarity: Tensor, offset: int, best: Tensor, voters: Tensor) -> None:
    """Take new similarities (h, a) into the running best ones (h, K) and their anchors, in place."""
    # Few hard samples meet a better anchor once some blocks have passed: only those are sorted.
    rows = (similarity.amax(dim=1) > best[:, -1]).nonzero()[:, 0]
    values, index = similarity[rows].topk(min(best.shape[1], similarity.shape[1]), dim=1)
    values, order = torch.cat((best[rows], values), dim=1).sort(dim=1, descending=True, stable=True)
    joined = torch.cat((voters[rows], index + offset), dim=1).gather(1, order)
    best[rows] = values[:, : best.shape[1]]
    voters[rows] = joined[:, : best.shape[1]]
