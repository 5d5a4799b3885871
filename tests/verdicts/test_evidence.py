import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.verdicts import evidence
from labelmend.verdicts.evidence import agrees, compared, confirm, contradicts, neighbour_label
from labelmend.verdicts.record import SampleRecord


def directions(*degrees):
    """Features on a circle, and their opposites far away, so that the mean feature is the centre."""
    angle = torch.tensor(degrees) * math.pi / 180
    return torch.stack([angle.cos(), angle.sin()], 1)


def balanced(*degrees):
    """Features at the angles, followed by as many opposite ones."""
    some = directions(*degrees)
    return torch.cat([some, -some])


def test_neighbours_by_hand():
    # Four near 0 degrees (labels 0 0 0 1) and their opposites (labels 1 1 1 0): two are wrong.
    features = balanced(0.0, 2.0, 5.0, 1.0)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    # Each label is on four samples: three neighbours vote on each, all of its own side.
    assert neighbour_label(features, labels, 2).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_class_of_two_is_asked_of_one_neighbour():
    """A twin far from a crowd of another class is enough; among fifty neighbours two could never win."""
    features = balanced(*(float(i) / 10 for i in range(20)), 90.0, 91.0)
    labels = torch.zeros(44, dtype=torch.int64)
    labels[[20, 21]] = 1
    found = neighbour_label(features, labels, 2)
    assert found[[20, 21]].tolist() == [1, 1]
    assert found[0] == 0


def test_an_only_sample_of_its_class_has_nothing_that_speaks_for_it():
    features = balanced(0.0, 10.0, 20.0)
    labels = torch.tensor([0, 0, 0, 0, 0, 1])
    assert neighbour_label(features, labels, 2).tolist() == [0, 0, 0, 0, 0, -1]


def test_ties_go_to_the_own_label():
    # Two neighbours each, one of either class, at equal distance on both sides.
    features = balanced(0.0, 10.0, -10.0)
    labels = torch.tensor([1, 1, 0, 2, 2, 2])
    labels = torch.cat([labels, torch.tensor([1, 0])])
    features = torch.cat([features, directions(90.0, 270.0)])
    # Sample 0: classes 1 of three samples, so two neighbours: sample 1 (class 1) and sample 2 (class 0).
    assert neighbour_label(features, labels, 3)[0] == 1


def test_a_label_that_is_memorised_is_not_its_own_evidence():
    features = balanced(0.0, 0.0, 0.0, 0.0)
    labels = torch.tensor([1, 0, 0, 0, 1, 1, 1, 1])
    assert neighbour_label(features, labels, 2)[0] == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 6))
def test_the_order_of_the_data_and_the_blocks_change_nothing(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    found = neighbour_label(features, labels, classes)
    order = torch.randperm(count, generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "BLOCK", 3 * (count + classes))
        blocks = neighbour_label(features, labels, classes)
    assert torch.equal(blocks, found)
    moved = neighbour_label(features[order], labels[order], classes)
    assert float((moved == found[order]).double().mean()) > 0.9  # sums of features may round otherwise
    only = torch.bincount(labels, minlength=classes)[labels] == 1
    assert torch.equal(found == -1, only)


def test_small_classes_are_compared_whole_and_large_ones_evenly(monkeypatch):
    monkeypatch.setattr(evidence, "MOST_COMPARED", 12)
    labels = torch.tensor([0] * 10 + [1] * 3 + [2])
    chosen = compared(labels, 3)
    assert torch.bincount(labels[chosen], minlength=3).tolist() == [4, 3, 1]
    assert chosen[:10].nonzero()[:, 0].tolist() == [2, 4, 7, 9]
    assert compared(labels[:4], 3).all()


def test_neighbours_among_a_part_only(monkeypatch):
    monkeypatch.setattr(evidence, "MOST_COMPARED", 8)
    features = balanced(*(float(i) for i in range(20)))
    labels = torch.tensor([0] * 20 + [1] * 20)
    assert torch.equal(neighbour_label(features, labels, 2), labels)


def test_both_must_agree():
    p = torch.tensor([[0.6, 0.4]] * 4)
    given_labels = torch.tensor([0, 0, 0, 1])
    assert agrees(p, torch.tensor([0, 1, -1, 1]), given_labels).tolist() == [True, False, False, False]


def test_confirmed_records_by_hand():
    features = balanced(0.0, 2.0, 5.0, 1.0)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    record = replace(
        SampleRecord.empty(8, 2),
        probabilities=torch.nn.functional.one_hot(torch.tensor([0, 1, 0, 1, 1, 1, 1, 0]), 2).float(),
        easy=torch.tensor([True, True, False, True, True, True, True, True]),
    )
    trusted = torch.zeros(8, dtype=torch.bool)
    found = confirm(record, features, labels, trusted)
    # Not 1 (another prediction), not 2 (not offered), not 3 and 7 (memorised against their neighbours).
    assert found.easy.tolist() == [True, False, False, False, True, True, True, False]
    assert found.neighbour_label.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert torch.equal(found.probabilities, record.probabilities)
    trusted[[1, 7]] = True
    assert confirm(record, features, labels, trusted).easy[[1, 7]].all()


def test_neighbours_that_were_asked_are_not_asked_again():
    record = replace(
        SampleRecord.empty(3, 2),
        probabilities=torch.tensor([[0.9, 0.1]] * 3),
        easy=torch.ones(3, dtype=torch.bool),
        neighbour_label=torch.tensor([0, 1, -1]),
    )
    # By these features the third sample would have a neighbour of its class, and the second would agree.
    found = confirm(record, torch.ones(3, 2), torch.zeros(3, dtype=torch.int64), torch.zeros(3) > 0)
    assert found.easy.tolist() == [True, False, False]
    assert found.neighbour_label.tolist() == [0, 1, -1]


def test_evidence_against_a_label_by_hand():
    p = torch.tensor(
        [[0.1, 0.6, 0.3], [0.1, 0.45, 0.45], [0.1, 0.6, 0.3], [0.15, 0.6, 0.25], [0.6, 0.1, 0.3]]
    )
    neighbours = torch.tensor([1, 1, 2, 1, 1])
    # One that both name and that is six times as probable; of a tie the first counts, 4.5 times as probable;
    # neighbours name a third one; four times as probable; the model predicts the given one.
    found = contradicts(p, neighbours, torch.zeros(5, dtype=torch.int64))
    assert found.tolist() == [True, False, False, False, False]
    assert contradicts(torch.tensor([[0.125, 0.625]]), torch.tensor([1]), torch.tensor([0])).all()
    assert not contradicts(p, torch.full((5,), -1), torch.zeros(5, dtype=torch.int64)).any()
