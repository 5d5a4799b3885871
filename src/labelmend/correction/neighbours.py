"""What the labels of the nearest easy samples say about a sample's class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction.search import make_search

# Samples whose neighbours are held at a time.
ROWS = 2**14


@torch.no_grad()
def neighbour_shares(
    features: Tensor, easy: Tensor, given_labels: Tensor, num_classes: int, neighbours: int
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

    Returns:
        float32 (N, C), rows sum to 1; uniform where there is no other easy sample.
    """
    unit = functional.normalize(features.float() - features.float().mean(0), dim=1)
    labels, among_easy = given_labels[easy], easy.cumsum(0) - 1
    kept = min(neighbours, len(labels))
    shares = torch.full((len(unit), num_classes), 1 / num_classes, device=unit.device)
    if not kept:
        return shares
    search = make_search(unit[easy], len(unit))
    for rows in torch.arange(len(unit), device=unit.device).split(ROWS):
        # One more than is needed: an easy sample finds itself, and is struck off.
        similarity, index = search(unit[rows], min(kept + 1, len(labels)))
        own = easy[rows, None] & (index == among_easy[rows, None])
        similarity, order = similarity.masked_fill(own, -torch.inf).sort(dim=1, descending=True, stable=True)
        found = similarity[:, :kept].isfinite().float()
        number = found.sum(1, keepdim=True)
        voted = labels[index.gather(1, order[:, :kept])]
        votes = torch.zeros(len(rows), num_classes, device=unit.device).scatter_add_(1, voted, found)
        shares[rows] = torch.where(number > 0, votes / number.clamp(min=1), 1 / num_classes)
    return shares
