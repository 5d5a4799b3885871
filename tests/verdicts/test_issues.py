"""Which labels are called wrong, and which are believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.verdicts import issues
from labelmend.verdicts.issues import believed_labels, is_label_issue, undoubted_labels
from labelmend.verdicts.record import SampleRecord


@pytest.mark.parametrize(("num_classes", "threshold"), [(2, 0.1), (10, 0.05), (100, 0.005)])
def test_uncertain_is_an_issue_only_below_the_threshold(num_classes, threshold):
    quality = np.array([threshold, threshold - 0.001, 0.0, 0.0])
    record, given = SampleRecord.empty(4, num_classes), torch.zeros(4, dtype=torch.int64)
    found = is_label_issue(np.array([3, 3, 0, 1]), quality, record, given)
    assert list(found) == [False, True, False, False]


def test_what_model_and_neighbours_contradict_is_an_issue_where_it_is_uncertain():
    quality, given = np.full(5, 0.9), torch.zeros(5, dtype=torch.int64)
    probabilities = torch.eye(4)[[1, 1, 1, 1, 0]]
    record = replace(
        SampleRecord.empty(5, 4), probabilities=probabilities, neighbour_label=torch.tensor([1, 1, 1, 1, 1])
    )
    found = is_label_issue(np.array([0, 1, 2, 3, 3]), quality, record, given)
    assert list(found) == [False, False, True, True, False]


def test_a_low_quality_that_is_excused_is_no_issue():
    # Nine of class 0 and two of class 1, of which neighbours say 1 and 0; the only one of class 2.
    given = torch.tensor([0] * 9 + [1, 1, 2])
    said = torch.tensor([0] * 9 + [1, 0, -1])
    record = replace(SampleRecord.empty(12, 3), neighbour_label=said)
    found = is_label_issue(np.full(12, 3), np.zeros(12), record, given)
    assert list(found) == [True] * 9 + [False, True, False]
    nobody_asked = replace(record, neighbour_label=torch.full((12,), -1))
    assert all(is_label_issue(np.full(12, 3), np.zeros(12), nobody_asked, given))


def test_believed_are_suggested_labels_and_given_ones_that_are_no_issue():
    # Easy; voted for another label; uncertain and nearly impossible; that, but trusted; uncertain, no issue.
    given = torch.tensor([0, 1, 0, 0, 1])
    record = SampleRecord(
        probabilities=torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.01, 0.99], [0.01, 0.99], [0.4, 0.6]]),
        easiness=torch.tensor([0.9, 0.1, 0.1, 0.1, 0.4]),
        easy=torch.tensor([True, False, False, False, False]),
        label_quality=torch.tensor([0.9, 0.2, 0.01, 0.01, 0.6]),
        corrected=torch.tensor([-1, 0, -1, -1, -1]),
        votes=torch.tensor([0, 5, 0, 0, 0]),
        vote_share=torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]),
        sources=torch.full((5, 1), -1),
        neighbour_label=torch.full((5,), -1),
        neighbour_support=torch.full((5,), 0.5),
    )
    trusted = torch.tensor([False, False, False, True, False])
    assert believed_labels(record, given, trusted).tolist() == [0, 0, -1, 0, 1]


def every(held_out):
    """Heads that know each class."""
    return torch.ones_like(held_out, dtype=torch.bool)


@pytest.fixture
def wrong(monkeypatch):
    """Sets the estimated share of wrong labels."""
    return lambda share: monkeypatch.setattr(issues, "estimate_noise_rate", lambda *known: share)


def test_labels_less_probable_than_chance_are_doubted(wrong):
    # Of four classes of one size: sure; at chance; just below; none; trusted; sure.
    labels = torch.tensor([0, 1, 1, -1, 2, 3, 0, 2, 3])
    held_out = torch.eye(4)[labels.clamp(min=0)]
    held_out[1] = torch.tensor([0.75, 0.25, 0.0, 0.0])
    held_out[2] = torch.tensor([0.755, 0.245, 0.0, 0.0])
    held_out[3] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    held_out[4] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    trusted = torch.arange(9) == 4
    wrong(1.0)
    assert undoubted_labels(labels, labels.clamp(min=0), held_out, trusted, every(held_out)).tolist() == [
        0,
        1,
        -1,
        -1,
        2,
        3,
        0,
        2,
        3,
    ]


def test_as_many_are_left_out_as_are_wrong_and_still_believed_the_least_probable_first(wrong):
    given = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 0, -1])  # one changed either way, one of none
    labels[4] = 0
    own = torch.tensor([0.9, 0.3, 0.1, 0.2, 0.9, 0.9, 0.4, 0.9, 0.9, 0.0])
    seen = labels.clamp(min=0)
    held_out = torch.where(torch.arange(2) == seen[:, None], own[:, None], 1 - own[:, None])
    labels[0] = -1  # four of one class and four of the other are known
    labels[3] = -1
    nobody = torch.zeros(10, dtype=torch.bool)

    def left_out(share):
        wrong(share)
        found = undoubted_labels(labels, given, held_out, nobody, every(held_out))
        return (found != labels).nonzero()[:, 0].tolist()

    assert int((labels != given).sum()) == 4
    assert left_out(0.0) == left_out(0.4) == left_out(0.44) == []
    assert left_out(0.5) == left_out(0.46) == [2]
    assert left_out(0.6) == [1, 2]
    assert left_out(0.7) == left_out(1.0) == [1, 2, 6]


def test_the_share_of_wrong_labels_is_estimated_by_the_heads_of_the_given_ones(monkeypatch):
    asked = []
    monkeypatch.setattr(issues, "estimate_noise_rate", lambda *known: asked.append(known) or 0.0)
    given, labels, held_out = torch.tensor([0, 1]), torch.tensor([1, 1]), torch.full((2, 2), 0.5)
    undoubted_labels(labels, given, held_out, torch.zeros(2, dtype=torch.bool), every(held_out))
    ((probabilities, of),) = asked
    assert torch.equal(probabilities, held_out)
    assert torch.equal(of, given)


def test_a_label_of_a_small_class_is_doubted_as_if_it_were_large(wrong):
    wrong(1.0)
    labels = torch.tensor([0] * 18 + [1, 1])
    held_out = torch.tensor([[0.9, 0.1]]).repeat(20, 1)
    held_out[18:] = torch.tensor([[0.1, 0.9], [0.89, 0.11]])  # nine times as many, so even
    nobody = torch.zeros(20, dtype=torch.bool)
    assert undoubted_labels(labels, labels, held_out, nobody, every(held_out)).tolist() == labels.tolist()
    held_out[19] = torch.tensor([0.91, 0.09])
    found = undoubted_labels(labels, labels, held_out, nobody, every(held_out))
    assert found.tolist() == [0] * 18 + [1, -1]
    # Only labels that are known tell how large a class is.
    unknown = torch.cat([torch.full((16,), -1), labels[-4:]])
    held_out[19] = torch.tensor([0.89, 0.11])
    found = undoubted_labels(unknown, labels, held_out, nobody, every(held_out))
    assert found.tolist() == [-1] * 16 + [0, 0, 1, -1]


def test_heads_say_nothing_of_a_class_they_have_not_learned(wrong, monkeypatch):
    given = torch.tensor([0, 0, 1, 1, 2, 2])
    held_out = torch.tensor([[1.0, 0.0, 0.0]]).repeat(6, 1)
    nobody, known = torch.zeros(6, dtype=torch.bool), every(held_out)
    known[2] = torch.tensor([True, False, True])  # that of sample 2 has not learned class 1
    known[4:] = torch.tensor([True, True, False])
    wrong(1.0)
    assert undoubted_labels(given, given, held_out, nobody, known).tolist() == [0, 0, 1, -1, 2, 2]
    asked = []
    monkeypatch.setattr(issues, "estimate_noise_rate", lambda _, of: asked.append(of.tolist()) or 0.0)
    undoubted_labels(given, given, held_out, nobody, known)
    assert asked == [[0, 0, 1]]
    # What is believed in place of the given label is what the head has to know.
    asked.clear()
    believed = torch.tensor([0, 0, 2, 1, 0, 2])
    wrong(1.0)
    found = undoubted_labels(believed, given, held_out, nobody, known)
    assert found.tolist() == [0, 0, -1, 1, 0, 2]  # the only one that is left of class 1 stays


def test_a_class_keeps_its_labels_where_all_would_go(wrong):
    wrong(1.0)
    labels = torch.tensor([0] * 4 + [1, 1])
    held_out = torch.tensor([[0.9, 0.1]] * 4 + [[0.99, 0.01], [0.999, 0.001]])
    nobody = torch.zeros(6, dtype=torch.bool)
    assert undoubted_labels(labels, labels, held_out, nobody, every(held_out)).tolist() == labels.tolist()
