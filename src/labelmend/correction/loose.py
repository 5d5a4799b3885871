"""The loose reading of the vote: every valid anchor around a hard sample counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from labelmend.correction.search import (
    Search,
    index_search,
    nearest_by_tiles,
    takes_index,
    tile_buffer,
    unit,
)
from labelmend.correction.voting import Votes, tally
from labelmend.hallucination.anchors import AnchorBlock

# Numbers of anchors that are held at a time where an index is made of them (512 MB).
INDEXED = 2**27


class Around:
    """The anchors most similar to each of H hard samples, of all anchors that have been met.

    Where anchors and hard samples are very many, each hard sample looks for anchors in an index of them,
    which misses some (``make_search``).

    Args:
        hard: (H, d), features of the hard samples.
        max_votes: K.
        number: of all anchors that there will be.

    Attributes:
        hard: float32 (H, d), the features, of length 1 or 0.
        similarity: float32 (H, K), cosines, best first; -inf where fewer have been met.
        anchors: int64 (H, K), indices of the anchors in the order in which they were met; -1 where fewer.
    """

    def __init__(self, hard: Tensor, max_votes: int, number: int) -> None:
        self.hard = unit(hard)
        self._indexed = takes_index(number, len(hard), hard.device)
        self._buffer = tile_buffer(hard.device)
        shape = len(hard), min(max_votes, number)
        self.similarity = torch.full(shape, -torch.inf, device=hard.device)
        self.anchors = torch.full(shape, -1, dtype=torch.int64, device=hard.device)
        self._seen = 0

    def joined(self, blocks: Iterable[AnchorBlock]) -> Iterator[AnchorBlock]:
        """The blocks as ``meet`` wants them: an index is made of many anchors at a time."""
        least = INDEXED // self.hard.shape[1] if self._indexed else 0
        held: list[AnchorBlock] = []
        count = 0
        for block in blocks:
            held.append(block)
            count += len(block[1])
            if count >= least:
                yield _take(held)
                count = 0
        if held:
            yield _take(held)

    def meet(self, anchors: Tensor, search: Search) -> tuple[Tensor, Tensor]:
        """Note the hard samples that some anchors are near to, and find the nearest of each anchor.

        Args:
            anchors: float32 (A, d), of length 1 or 0.
            search: finds hard samples by an index, where there are very many.

        Returns:
            Similarity (A, 1) and index (A, 1) of the nearest hard sample of each anchor.
        """
        if self._indexed:
            self._merge(*index_search(anchors)(self.hard, self.anchors.shape[1]), slice(None), self._seen)
            found = search(anchors, 1)
        else:
            found = nearest_by_tiles(anchors, self.hard, self._buffer, self._visit)
        self._seen += len(anchors)
        return found

    def _visit(self, tile: Tensor, top: int, left: int) -> None:
        """Take the similarities of some anchors (rows) to some hard samples (columns)."""
        # Few hard samples meet a better anchor once some tiles have passed: only those are sorted.
        worst = self.similarity[left : left + tile.shape[1], -1]
        hit = (tile.amax(0) > worst).nonzero()[:, 0]
        values, index = first_of_highest(tile[:, hit].T, min(self.anchors.shape[1], len(tile)))
        self._merge(values, index, left + hit, self._seen + top)

    def _merge(self, values: Tensor, index: Tensor, hard: Tensor | slice, offset: int) -> None:
        """Take similarities (h, k) of some hard samples into the best ones; those found before stay in front.

        Equal ones are of the anchor that was met first.
        """
        kept = self.anchors.shape[1]
        joined = torch.cat((self.similarity[hard], values), 1)
        best, order = joined.sort(dim=1, descending=True, stable=True)
        numbers = torch.cat((self.anchors[hard], index + offset), 1).gather(1, order)
        self.similarity[hard], self.anchors[hard] = best[:, :kept], numbers[:, :kept]


def first_of_highest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As ``topk`` in dimension 1, (R, M) to (R, k); of equal values, those of the smallest indices."""
    highest, index = values.topk(k, dim=1)
    index, order = index.sort(dim=1)
    highest, order = highest.gather(1, order).sort(dim=1, descending=True, stable=True)
    index = index.gather(1, order)
    # Which of those that equal the last one topk took is not said: these rows are sorted as a whole.
    tied = (values >= highest[:, -1:]).sum(1) > k
    if bool(tied.any()):
        whole, order = values[tied].sort(dim=1, descending=True, stable=True)
        highest[tied], index[tied] = whole[:, :k], order[:, :k]
    return highest, index


def _take(held: list[AnchorBlock]) -> AnchorBlock:
    """What is held, joined, and no longer held."""
    features, labels, source = (torch.cat(parts) for parts in zip(*held, strict=True))
    held.clear()
    return features, labels, source


@torch.no_grad()
def loose_votes(
    around: Around, labels: Tensor, threshold: float, num_classes: int, may_vote: Tensor | None = None
) -> Votes:
    """Majority vote of section 3.3 in the loose reading of "surrounding".

    On hard sample h vote the K anchors most similar to h, whatever their nearest hard sample, whose
    similarity to h is above the threshold; such anchors are always valid. The vote is as in ``vote``.

    Args:
        around: that has met all A anchors.
        labels: int64 (A,), of the anchors, in [0, C).
        threshold: cosine strictly above which an anchor votes, from ``validity_threshold``.
        num_classes: C.
        may_vote: bool (H, K), whether each anchor of ``around`` may vote on the hard sample; by default all.
    """
    votes = around.similarity > threshold
    if may_vote is not None:
        votes &= may_vote.to(votes.device)
    anchors = around.anchors[votes]
    return tally(
        votes.nonzero()[:, 0],
        around.similarity[votes],
        labels[anchors],
        anchors,
        len(votes),
        num_classes,
        max(votes.shape[1], 1),
    )
