"""What the labels of the nearest easy samples say about a sample's class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Numbers that are held at a time (64 MB): similarities, neighbours, shares.
BLOCK = 2**24


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
    features = features.float()
    unit = functional.normalize(features - features.mean(0), dim=1)
    reference = unit[easy].T.contiguous()
    labels = given_labels[easy]
    among_easy = easy.cumsum(0) - 1
    count = len(labels)
    kept = min(neighbours, count)
    shares = torch.zeros(len(unit), num_classes, device=unit.device)
    for rows in torch.arange(len(unit), device=unit.device).split(max(BLOCK // (count + kept + 1), 1)):
        similarity = unit[rows] @ reference
        own = easy[rows].nonzero()[:, 0]
        similarity[own, among_easy[rows[own]]] = -torch.inf
        value, index = similarity.topk(kept, dim=1)
        found = value.isfinite().float()
        number = found.sum(1, keepdim=True)
        votes = torch.zeros(len(rows), num_classes, device=unit.device).scatter_add_(1, labels[index], found)
        shares[rows] = torch.where(number > 0, votes / number.clamp(min=1), 1 / num_classes)
    return shares
