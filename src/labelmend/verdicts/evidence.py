"""Whether the evidence agrees with a given label: without that no sample gets the verdict ``easy``."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.verdicts.record import SampleRecord

MOST_NEIGHBOURS = 50

# Samples that others are compared with, so that the cost grows with their number and not with its square.
MOST_COMPARED = 50_000

# Similarities and votes that are held at a time (64 MB).
BLOCK = 2**24

NO_LABEL = -1

FAR_MORE_PROBABLE = 5.0
"""How many times as probable as the given label the other one must be for evidence against it."""


def compared(given_labels: Tensor, num_classes: int) -> Tensor:
    """Samples that others are compared with: all, or at most equal shares of the classes.

    Small classes are taken whole; of large ones every so-many-th sample, in the order of the data.

    Args:
        given_labels: int64 (N,), in [0, C).
        num_classes: C.

    Returns:
        bool (N,).
    """
    sizes = torch.bincount(given_labels, minlength=num_classes)
    taken = sizes.clamp(max=max(-(-MOST_COMPARED // num_classes), 2))
    order = torch.argsort(given_labels, stable=True)
    place = torch.empty_like(order)
    starts = sizes.cumsum(0) - sizes
    place[order] = torch.arange(len(order), device=order.device) - starts[given_labels[order]]
    size, share = sizes[given_labels], taken[given_labels]
    return (place + 1) * share // size > place * share // size


@torch.no_grad()
def neighbour_label(features: Tensor, given_labels: Tensor, num_classes: int) -> Tensor:
    """The label that most of the samples nearest to each sample were given; its own label wins ties.

    As many neighbours vote as there are others of the sample's own class, at most ``MOST_NEIGHBOURS``: a
    small class can win among its own number and never among fifty. No sample is its own neighbour, so that
    what a network has memorised of a label is not its own evidence. Similarity is the cosine of features
    measured from their mean.

    Args:
        features: (N, d).
        given_labels: int64 (N,), in [0, C).
        num_classes: C.

    Returns:
        int64 (N,); -1 where no other sample has the label, so that nothing can speak for it.
    """
    features = features.float()
    unit = functional.normalize(features - features.mean(0), dim=1)
    chosen = compared(given_labels, num_classes)
    reference, labels = unit[chosen].T.contiguous(), given_labels[chosen]
    position = chosen.cumsum(0) - 1
    number = torch.bincount(labels, minlength=num_classes)[given_labels] - chosen.long()
    number = number.clamp(max=MOST_NEIGHBOURS)
    most = min(MOST_NEIGHBOURS, max(len(labels) - 1, 0))
    found = torch.full_like(given_labels, NO_LABEL)
    width = len(labels) + num_classes
    for rows in torch.arange(len(unit), device=unit.device).split(max(BLOCK // width, 1)):
        similarity = unit[rows] @ reference
        own = chosen[rows].nonzero()[:, 0]
        similarity[own, position[rows[own]]] = -torch.inf
        nearest = labels[similarity.topk(most, dim=1).indices]
        counts = torch.arange(most, device=rows.device) < number[rows, None]
        # Half a vote more for the own label decides ties and nothing else.
        votes = torch.zeros(len(rows), num_classes, device=rows.device)
        votes.scatter_(1, given_labels[rows, None], 0.5).scatter_add_(1, nearest, counts.float())
        found[rows] = torch.where(number[rows] > 0, votes.argmax(1), NO_LABEL)
    return found


def agrees(probabilities: Tensor, neighbour_label: Tensor, given_labels: Tensor) -> Tensor:
    """Whether the model predicts the given label, and most neighbours have it.

    The model has learned the label and may have memorised it; the neighbours' labels are not the sample's
    own, but come from what the model calls near. Either alone is misled: memorised labels by the one, small
    classes by the other.

    Args:
        probabilities: (N, C), rows sum to 1.
        neighbour_label: int64 (N,), -1 for none.
        given_labels: int64 (N,).

    Returns:
        bool (N,).
    """
    return (probabilities.argmax(1) == given_labels) & (neighbour_label == given_labels)


def contradicts(probabilities: Tensor, neighbour_label: Tensor, given_labels: Tensor) -> Tensor:
    """Whether model and neighbours name the same other label, which the model finds far more probable.

    Args:
        probabilities: (N, C), rows sum to 1.
        neighbour_label: int64 (N,), -1 for none.
        given_labels: int64 (N,).

    Returns:
        bool (N,).
    """
    highest, predicted = probabilities.max(1)
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    other = (predicted != given_labels) & (predicted == neighbour_label)
    return other & (highest >= FAR_MORE_PROBABLE * own)


def confirm(record: SampleRecord, features: Tensor, given_labels: Tensor, trusted: Tensor) -> SampleRecord:
    """The record with what the neighbours say, and easy only where the evidence agrees or a label is trusted.

    Args:
        record: of N samples.
        features: (N, d), of the network that is believed; neighbours that the record has already are theirs.
        given_labels: int64 (N,).
        trusted: bool (N,), labels a person has confirmed.
    """
    neighbours = record.neighbour_label
    if bool((neighbours == NO_LABEL).all()):
        neighbours = neighbour_label(features, given_labels, record.probabilities.shape[1]).cpu()
    easy = record.easy & (trusted | agrees(record.probabilities, neighbours, given_labels.cpu()))
    return replace(record, easy=easy, neighbour_label=neighbours)
