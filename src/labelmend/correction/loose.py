"""The loose reading of the vote: every valid anchor around a hard sample counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction.search import TILE_COLUMNS, TILE_ROWS, index_search, takes_index
from labelmend.correction.voting import Votes, tally
from labelmend.hallucination.anchors import AnchorBlock

# Numbers of anchors that are held at a time where an index is made of them (512 MB).
INDEXED = 2**27


@torch.no_grad()
def loose_votes(
    blocks: Iterable[AnchorBlock],
    hard: Tensor,
    threshold: float,
    num_classes: int,
    max_votes: int,
    number: int,
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
        number: of all anchors. Where they and the hard samples are very many, each hard sample looks for
            anchors in an index of them, which misses some (``make_search``).

    Returns:
        The outcome; anchors are counted in the order of the blocks.
    """
    unit = functional.normalize(hard.float(), dim=1)
    best = torch.full((len(hard), max_votes), threshold, device=hard.device)
    voters = torch.full((len(hard), max_votes), -1, dtype=torch.int64, device=hard.device)
    labels, seen = [torch.empty(0, dtype=torch.int64, device=hard.device)], 0
    indexed = takes_index(number, len(hard), hard.device)
    for features, block_labels in _joined(blocks, INDEXED // hard.shape[1] if indexed else 0):
        labels.append(block_labels.to(hard.device))
        if indexed:
            found = index_search(functional.normalize(features.float(), dim=1))(unit, max_votes)
            _merge(*found, seen, best, voters)
        else:
            _merge_tiles(features, unit, seen, best, voters)
        seen += len(features)
    filled = voters >= 0
    ballots = filled.nonzero()[:, 0]
    anchors = voters[filled]
    return tally(
        ballots, best[filled], torch.cat(labels)[anchors], anchors, len(hard), num_classes, max_votes
    )


def _joined(blocks: Iterable[AnchorBlock], least: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of blocks that are joined until they have ``least`` anchors."""
    held: list[tuple[Tensor, Tensor]] = []
    count = 0
    for features, labels, _ in blocks:
        held.append((features, labels))
        count += len(labels)
        if count >= least:
            yield _take(held)
            count = 0
    if held:
        yield _take(held)


def _take(held: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What is held, joined, and no longer held."""
    features, labels = zip(*held, strict=True)
    held.clear()
    return torch.cat(features), torch.cat(labels)


def _merge_tiles(features: Tensor, unit: Tensor, seen: int, best: Tensor, voters: Tensor) -> None:
    """Merge the similarities of some anchors, of which ``seen`` came before, to all hard samples."""
    for start in range(0, len(features), TILE_ROWS):
        rows = features[start : start + TILE_ROWS].to(unit.device).float()
        anchors = functional.normalize(rows, dim=1)
        for top in range(0, len(unit), TILE_COLUMNS):
            part = slice(top, top + TILE_COLUMNS)
            similarity = unit[part] @ anchors.T
            # Few hard samples meet a better anchor once some blocks have passed: only those are sorted.
            hit = (similarity.amax(dim=1) > best[part, -1]).nonzero()[:, 0]
            values, index = similarity[hit].topk(min(best.shape[1], len(anchors)), dim=1)
            merged = best[part][hit], voters[part][hit]
            _merge(values, index, seen + start, *merged)
            best[part][hit], voters[part][hit] = merged


def _merge(values: Tensor, index: Tensor, offset: int, best: Tensor, voters: Tensor) -> None:
    """Take new similarities (h, k) into the running best ones (h, K) and their anchors, in place.

    Of equal ones those found before stay in front.
    """
    joined, order = torch.cat((best, values), dim=1).sort(dim=1, descending=True, stable=True)
    kept = order[:, : best.shape[1]]
    voters.copy_(torch.cat((voters, index + offset), dim=1).gather(1, kept))
    best.copy_(joined[:, : best.shape[1]])
