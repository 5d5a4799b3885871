"""Evidence for and against a given label: without the former no sample gets the verdict ``easy``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

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

NO_SUPPORT_KNOWN = 0.5

FAR_MORE = 5.0
"""How many times as probable as the given label, or as frequent among neighbours, the other one must be for
evidence against it."""

SMALL = 0.6
"""Classes of at most this share of the mean size are small: eq. 1 at P = 60 % finds all of them easy."""


@dataclass(frozen=True)
class Neighbours:
    """What the samples nearest to each of N samples were given.

    Attributes:
        label: int64 (N,), what most of them were given; the own label wins ties; -1 where no other sample
            has the own label, so that nothing can speak for it.
        support: float32 (N,), in [0, 1], how many were given the own label, of these and those of the most
            frequent other label; 0.5 where nothing can speak for it.
    """

    label: Tensor
    support: Tensor

    @classmethod
    def not_asked(cls, count: int) -> Neighbours:
        """Of ``count`` samples nobody was asked about."""
        return cls(torch.full((count,), NO_LABEL), torch.full((count,), NO_SUPPORT_KNOWN))


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
def ask_neighbours(
    features: Tensor,
    given_labels: Tensor,
    num_classes: int,
    lists: Tensor | None = None,
    together: Tensor | None = None,
) -> Neighbours:
    """What the samples nearest to each sample were given.

    As many say which label most have as there are others of the sample's own class, twice as many say how
    strong the support for its own is, at most ``MOST_NEIGHBOURS``: a small class can win among its own number
    and never among fifty. No sample is its own neighbour, so that what a network has memorised of a label is
    not its own evidence. Similarity is the cosine of features measured from their mean.

    Args:
        features: (N, d).
        given_labels: int64 (N,), in [0, C).
        num_classes: C.
        lists: of ``neighbour_lists`` for the same features: only samples with too few of those compared in
            their list are searched for.
        together: int64 (N,), equal for samples that must not speak for each other. By default each may speak
            for all others.

    Returns:
        On the CPU.
    """
    chosen = compared(given_labels, num_classes)
    sizes = torch.bincount(given_labels[chosen], minlength=num_classes)
    others = sizes[given_labels] - _silent(chosen, given_labels, num_classes, together)
    most = min(MOST_NEIGHBOURS, max(int(chosen.sum()) - 1, 0))
    search = cache(partial(_labels_by_search, features, given_labels, num_classes, chosen, together, most))
    if lists is None:
        labels_of_nearest = search()
    else:
        labels_of_nearest = _labels_by_lists(lists, search, given_labels, chosen, together, most)
    found = Neighbours.not_asked(len(features))
    width = int(chosen.sum()) + num_classes
    for rows in torch.arange(len(features), device=features.device).split(max(BLOCK // width, 1)):
        nearest, given = labels_of_nearest(rows), given_labels[rows, None]

        def votes(number: Tensor, nearest: Tensor = nearest) -> Tensor:
            counted = torch.arange(most, device=nearest.device) < number[:, None]
            # One column more, for nobody.
            empty = torch.zeros(len(nearest), num_classes + 1, device=nearest.device)
            return empty.scatter_add_(1, nearest, counted.float())[:, :num_classes]

        number = others[rows]
        # Half a vote more for the own label decides ties and nothing else.
        few = votes(number).scatter_add_(1, given, torch.full_like(given, 0.5, dtype=torch.float32))
        many = votes(2 * number)
        of_own = many.gather(1, given)[:, 0]
        of_other = many.scatter(1, given, 0.0).amax(1)
        asked, at = (number > 0).cpu(), rows.cpu()
        found.label[at] = torch.where(asked, few.argmax(1).cpu(), NO_LABEL)
        found.support[at] = torch.where(asked, (of_own / (of_own + of_other)).cpu(), NO_SUPPORT_KNOWN)
    return found


def _silent(chosen: Tensor, given_labels: Tensor, num_classes: int, together: Tensor | None) -> Tensor:
    """How many of those compared have a sample's label and must not speak for it, as itself, int64 (N,)."""
    if together is None:
        return chosen.long()
    # Numbered anew: there are at most as many kinds as samples, not as many as groups times classes.
    kind = (together * num_classes + given_labels).unique(return_inverse=True)[1]
    return torch.bincount(kind[chosen], minlength=int(kind.max()) + 1)[kind]


LabelsOfNearest = Callable[[Tensor], Tensor]
"""From samples, int64 (R,), to the labels of those nearest to each, nearest first, int64 (R, K); C stands for
nobody."""


def _labels_by_lists(
    lists: Tensor,
    search: Callable[[], LabelsOfNearest],
    given_labels: Tensor,
    chosen: Tensor,
    together: Tensor | None,
    most: int,
) -> LabelsOfNearest:
    def labels_of_nearest(rows: Tensor) -> Tensor:
        listed = lists[rows].long()
        usable = (listed >= 0) & chosen[listed]
        if together is not None:
            usable &= together[listed] != together[rows, None]
        first = usable.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        few = usable.sum(1) < most
        if bool(few.all()):
            return search()(rows)
        nearest = given_labels[listed.gather(1, first)]
        if bool(few.any()):
            nearest[few] = search()(rows[few])
        return nearest

    return labels_of_nearest


def _labels_by_search(
    features: Tensor,
    given_labels: Tensor,
    num_classes: int,
    chosen: Tensor,
    together: Tensor | None,
    most: int,
) -> LabelsOfNearest:
    unit = functional.normalize(features.float() - features.float().mean(0), dim=1)
    reference, labels = unit[chosen].T.contiguous(), given_labels[chosen]
    position = chosen.cumsum(0) - 1

    def labels_of_nearest(rows: Tensor) -> Tensor:
        similarity = unit[rows] @ reference
        if together is None:
            own = chosen[rows].nonzero()[:, 0]
            similarity[own, position[rows[own]]] = -torch.inf
        else:
            similarity.masked_fill_(together[rows, None] == together[chosen], -torch.inf)
        nearest = similarity.topk(most, dim=1)
        return torch.where(nearest.values.isfinite(), labels[nearest.indices], num_classes)

    return labels_of_nearest


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


def in_small_class(given_labels: Tensor, num_classes: int) -> Tensor:
    """Which samples have a label that was given to at most ``SMALL`` of the mean number of samples.

    A network that has trained on each of them has memorised the wrong ones with the right ones: its own
    probabilities say nothing of them, and neighbours have to be asked.

    Args:
        given_labels: int64 (N,), in [0, C).
        num_classes: C.

    Returns:
        bool (N,).
    """
    sizes = torch.bincount(given_labels, minlength=num_classes)
    return sizes[given_labels] <= math.ceil(SMALL * len(given_labels) / num_classes)


def contradicts(record: SampleRecord, given_labels: Tensor) -> Tensor:
    """Whether the evidence is against a given label.

    That is so if model and neighbours name the same other label, which the model finds far more probable; in
    a small class also if far more neighbours have some other label, whatever the model has memorised.

    Args:
        record: of N samples.
        given_labels: int64 (N,).

    Returns:
        bool (N,).
    """
    probabilities = record.probabilities
    highest, predicted = probabilities.max(1)
    own = probabilities.gather(1, given_labels[:, None])[:, 0]
    other = (predicted != given_labels) & (predicted == record.neighbour_label)
    outnumbered = record.neighbour_support * (1 + FAR_MORE) < 1
    return (other & (highest >= FAR_MORE * own)) | (
        outnumbered & in_small_class(given_labels, probabilities.shape[1])
    )


def excuses(record: SampleRecord, given_labels: Tensor) -> Tensor:
    """Whether a low label quality alone says nothing against a given label.

    So it is where nothing else has the label, and nothing can be compared; and in a small class where most
    neighbours have it, because a model that was kept from a sample hardly knows its class.

    Args:
        record: of N samples, whose neighbours have been asked.
        given_labels: int64 (N,).

    Returns:
        bool (N,).
    """
    label = record.neighbour_label
    alone = (label == NO_LABEL) & (label != NO_LABEL).any()
    return alone | (in_small_class(given_labels, record.num_classes) & (label == given_labels))


def confirm(
    record: SampleRecord,
    features: Tensor,
    given_labels: Tensor,
    trusted: Tensor,
    together: Tensor | None = None,
) -> SampleRecord:
    """The record with what the neighbours say.

    Easy are samples only where the evidence agrees or a label is trusted; the label quality of a small class
    is at most the support of neighbours.

    Args:
        record: of N samples.
        features: (N, d), of the network that is believed; neighbours that the record has already are theirs.
        given_labels: int64 (N,).
        trusted: bool (N,), labels a person has confirmed.
        together: as for ``ask_neighbours``.
    """
    neighbours, num_classes = Neighbours(record.neighbour_label, record.neighbour_support), record.num_classes
    if bool((neighbours.label == NO_LABEL).all()):
        neighbours = ask_neighbours(features, given_labels, num_classes, together=together)
    given, quality = given_labels.cpu(), record.label_quality
    easy = record.easy & (trusted | agrees(record.probabilities, neighbours.label, given))
    doubted = in_small_class(given, num_classes) & (neighbours.label != NO_LABEL) & ~trusted
    return replace(
        record,
        easy=easy,
        label_quality=torch.where(doubted, torch.minimum(quality, neighbours.support), quality),
        neighbour_label=neighbours.label,
        neighbour_support=neighbours.support,
    )
