"""What the labels of the nearest easy samples say about a sample's class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction.search import BLOCK, make_search

# Samples whose neighbours are held at a time.
ROWS = 2**14


# Listed neighbours of a sample for each one that is asked: some of them will not be easy.
LISTED = 4


@torch.no_grad()
def neighbour_lists(features: Tensor, neighbours: int) -> Tensor:
    """The samples most similar to each sample, for features that stay as they are while the easy set changes.

    Args:
        features: (N, d), of all samples.
        neighbours: K of ``neighbour_shares``, at least 1.

    Returns:
        int32 (N, L), other samples, nearest first; L is ``LISTED`` K, or N - 1 where that is less. Where an
        index of very many samples found fewer, -1 stands for the rest.
    """
    unit = _unit(features)
    listed = min(LISTED * neighbours, len(unit) - 1)
    lists = torch.empty(len(unit), listed, dtype=torch.int32, device=unit.device)
    search = make_search(unit, len(unit))
    for rows in torch.arange(len(unit), device=unit.device).split(ROWS):
        similarity, index = search(unit[rows], listed + 1)
        similarity, index = _struck_off(similarity, index, index == rows[:, None])
        lists[rows] = index[:, :listed].masked_fill(similarity[:, :listed].isinf(), -1).int()
    return lists


@torch.no_grad()
def neighbour_shares(
    features: Tensor,
    easy: Tensor,
    given_labels: Tensor,
    num_classes: int,
    neighbours: int,
    lists: Tensor | None = None,
    together: Tensor | None = None,
) -> Tensor:
    """Shares of the classes among the given labels of the K easy samples most similar to each sample.

    Similarity is the cosine of features measured from their mean. No sample is its own neighbour: what
    a network has memorised of a label cannot come back as evidence for it. Not in the paper, whose anchors
    carry the labels of easy samples to hard ones by majority alone.

    Args:
        features: (N, d), of all samples.
        easy: bool (N,), the easy set.
        given_labels: int64 (N,), in [0, C).
        num_classes: C.
        neighbours: K, at least 1; all other easy samples where there are fewer.
        lists: of ``neighbour_lists`` for the same features: only samples with fewer than K easy ones in
            their list are searched for.
        together: int64 (N,), equal for samples that must not speak for each other; by default each may speak
            for all others.

    Returns:
        float32 (N, C), rows sum to 1; uniform where there is no other easy sample.
    """
    labels = given_labels[easy]
    if together is None:
        together = torch.arange(len(features), device=features.device)
    kind = together.unique(return_inverse=True)[1]
    easy_kind = kind[easy]
    kept = min(neighbours, len(labels))
    shares = torch.full((len(features), num_classes), 1 / num_classes, device=features.device)
    if not kept:
        return shares
    left = torch.arange(len(features), device=features.device)
    if lists is not None:
        left = _shares_by_lists(lists, easy, given_labels, kind, kept, shares)
        if not len(left):
            return shares
    unit = _unit(features)
    search = make_search(unit[easy], len(left))
    asked = min(kept + int(torch.bincount(easy_kind).max()), len(labels))
    for rows in left.split(min(ROWS, max(BLOCK // asked, 1))):
        # More than are needed: an easy sample finds itself and its like, which are struck off.
        similarity, index = search(unit[rows], asked)
        similarity, index = _struck_off(similarity, index, easy_kind[index] == kind[rows, None])
        found = similarity[:, :kept].isfinite().float()
        number = found.sum(1, keepdim=True)
        votes = torch.zeros(len(rows), num_classes, device=unit.device)
        votes.scatter_add_(1, labels[index[:, :kept]], found)
        shares[rows] = torch.where(number > 0, votes / number.clamp(min=1), 1 / num_classes)
    return shares


def _unit(features: Tensor) -> Tensor:
    """Features measured from their mean, of length 1."""
    return functional.normalize(features.float() - features.float().mean(0), dim=1)


def _struck_off(similarity: Tensor, index: Tensor, struck: Tensor) -> tuple[Tensor, Tensor]:
    """What a search found, (R, K), those ``struck`` off behind all others at similarity -inf."""
    similarity, order = similarity.masked_fill(struck, -torch.inf).sort(dim=1, descending=True, stable=True)
    return similarity, index.gather(1, order)


def _shares_by_lists(
    lists: Tensor, easy: Tensor, given_labels: Tensor, kind: Tensor, kept: int, shares: Tensor
) -> Tensor:
    """Fill in the shares of samples with enough easy ones in their lists; returns the other samples."""
    left = []
    for rows in torch.arange(len(lists), device=lists.device).split(ROWS):
        listed = lists[rows].long()
        usable = (listed >= 0) & easy[listed] & (kind[listed] != kind[rows, None])
        enough = usable.sum(1) >= kept
        taken = (usable & (usable.cumsum(1) <= kept))[enough].float()
        votes = torch.zeros(len(taken), shares.shape[1], device=shares.device)
        shares[rows[enough]] = votes.scatter_add_(1, given_labels[listed[enough]], taken) / kept
        left.append(rows[~enough])
    return torch.cat(left)
