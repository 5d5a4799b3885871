import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.correction.neighbours import neighbour_lists
from labelmend.verdicts import evidence
from labelmend.verdicts.evidence import (
    Neighbours,
    agrees,
    ask_neighbours,
    compared,
    confirm,
    contradicts,
    excuses,
    in_small_class,
)
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
    found = ask_neighbours(features, labels, 2)
    assert found.label.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    # Six neighbours, of seven others: three near ones, and all but one of those opposite.
    # Sample 0 (label 0): 0 0 1 near; opposite 1 1 1 0 without the farthest, its own opposite (1): 3 of 6.
    # Sample 3 (label 1): 0 0 0 near; opposite without its own (0): 1 1 1: 3 of 6.
    assert found.support[[0, 3]].tolist() == [0.5, 0.5]


def test_support_is_that_of_twice_the_own_number():
    # Seven near 0 degrees: two of label 1 at one end, five of label 0; opposite ones are of label 2.
    features = balanced(0.0, 1.0, 10.0, 11.0, 12.0, 13.0, 14.0)
    labels = torch.tensor([1, 1, 0, 0, 0, 0, 0] + [2] * 7)
    found = ask_neighbours(features, labels, 3)
    # One neighbour decides for 1, two are asked about the support: its twin, and one of label 0.
    assert found.label[0] == 1
    assert found.support[0] == 0.5
    # Eight are asked about sample 6: four others of label 0, two of label 1, two of label 2.
    assert found.support[6] == pytest.approx(4 / 6)


def test_a_class_of_two_is_asked_of_one_neighbour():
    """A twin far from a crowd of another class is enough; among fifty neighbours two could never win."""
    features = balanced(*(float(i) / 10 for i in range(20)), 90.0, 91.0)
    labels = torch.zeros(44, dtype=torch.int64)
    labels[[20, 21]] = 1
    found = ask_neighbours(features, labels, 2).label
    assert found[[20, 21]].tolist() == [1, 1]
    assert found[0] == 0


def test_an_only_sample_of_its_class_has_nothing_that_speaks_for_it():
    features = balanced(0.0, 10.0, 20.0)
    labels = torch.tensor([0, 0, 0, 0, 0, 1])
    assert ask_neighbours(features, labels, 2).label.tolist() == [0, 0, 0, 0, 0, -1]


def test_ties_go_to_the_own_label():
    # Two neighbours each, one of either class, at equal distance on both sides.
    features = balanced(0.0, 10.0, -10.0)
    labels = torch.tensor([1, 1, 0, 2, 2, 2])
    labels = torch.cat([labels, torch.tensor([1, 0])])
    features = torch.cat([features, directions(90.0, 270.0)])
    # Sample 0: classes 1 of three samples, so two neighbours: sample 1 (class 1) and sample 2 (class 0).
    assert ask_neighbours(features, labels, 3).label[0] == 1


def test_a_label_that_is_memorised_is_not_its_own_evidence():
    features = balanced(0.0, 0.0, 0.0, 0.0)
    labels = torch.tensor([1, 0, 0, 0, 1, 1, 1, 1])
    assert ask_neighbours(features, labels, 2).label[0] == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 6))
def test_the_order_of_the_data_and_the_blocks_change_nothing(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    found = ask_neighbours(features, labels, classes)
    order = torch.randperm(count, generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "BLOCK", 3 * (count + classes))
        blocks = ask_neighbours(features, labels, classes)
    assert torch.equal(blocks.label, found.label)
    assert torch.equal(blocks.support, found.support)
    moved = ask_neighbours(features[order], labels[order], classes)
    # Sums of features may round otherwise.
    assert float((moved.label == found.label[order]).double().mean()) > 0.9
    assert float((moved.support == found.support[order]).double().mean()) > 0.9
    only = torch.bincount(labels, minlength=classes)[labels] == 1
    assert torch.equal(found.label == -1, only)
    assert (found.support[only] == 0.5).all()
    assert ((found.support >= 0) & (found.support <= 1)).all()


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
    assert torch.equal(ask_neighbours(features, labels, 2).label, labels)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(3, 60), st.integers(1, 6), st.integers(1, 20))
def test_listed_neighbours_are_those_that_would_be_found(seed, count, classes, neighbours):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    lists = neighbour_lists(features, neighbours)
    found = ask_neighbours(features, labels, classes, lists)
    expected = ask_neighbours(features, labels, classes)
    # Two samples that are as near but for rounding may change places.
    unit = torch.nn.functional.normalize(features.double() - features.double().mean(0), dim=1)
    gaps = (unit @ unit.T).sort(dim=1).values.diff(dim=1).amin(1)
    clear = gaps > 1e-5
    assert torch.equal(found.label[clear], expected.label[clear])
    assert torch.equal(found.support[clear], expected.support[clear])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(4, 40), st.integers(2, 4), st.integers(1, 12))
def test_groups_and_a_part_of_the_samples_by_brute_force(seed, count, classes, kinds):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    groups = torch.randint(kinds, (count,), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "MOST_COMPARED", count // 2)
        found, asked = ask_neighbours(features, labels, classes, together=groups), compared(labels, classes)
    unit = torch.nn.functional.normalize(features - features.mean(0), dim=1)
    for row in range(count):
        others = [other for other in asked.nonzero()[:, 0].tolist() if groups[other] != groups[row]]
        nearest = sorted(others, key=lambda other: -float(unit[row] @ unit[other]))[: int(asked.sum()) - 1]
        of_class = sum(bool(labels[other] == labels[row]) for other in others)
        if not of_class:
            assert (found.label[row], found.support[row]) == (-1, 0.5)
            continue
        few, many = (
            torch.bincount(labels[nearest[: part * of_class]], minlength=classes).double() for part in (1, 2)
        )
        few[labels[row]] += 0.5
        assert found.label[row] == few.argmax()
        of_own = float(many[labels[row]])
        many[labels[row]] = 0
        assert float(found.support[row]) == pytest.approx(of_own / (of_own + float(many.max())))


def searches(monkeypatch):
    """Samples that are searched for, as they come."""
    asked, make = [], evidence._labels_by_search

    def noted(*given):
        search = make(*given)
        return lambda rows: asked.extend(rows.tolist()) or search(rows)

    monkeypatch.setattr(evidence, "_labels_by_search", noted)
    return asked


@pytest.mark.parametrize("compared_with", [200, 90])
def test_only_samples_with_a_short_list_are_searched_for(monkeypatch, compared_with):
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(200, 4, generator=generator), torch.arange(200) % 2
    monkeypatch.setattr(evidence, "MOST_COMPARED", compared_with)
    monkeypatch.setattr(evidence, "MOST_NEIGHBOURS", 20)
    expected = ask_neighbours(features, labels, 2)
    lists = neighbour_lists(features, 10)
    lists[3, 30:] = -1  # as an index leaves them
    asked = searches(monkeypatch)
    found = ask_neighbours(features, labels, 2, lists)
    assert torch.equal(found.label, expected.label)
    assert torch.equal(found.support, expected.support)
    usable = (compared(labels, 2)[lists.long()] & (lists >= 0)).sum(1)
    assert asked == (usable < 20).nonzero()[:, 0].tolist()
    assert (len(asked) > 5) == (compared_with == 90)
    assert len(asked) < 190


def test_without_a_list_that_is_long_enough_all_are_searched_for(monkeypatch):
    features, labels = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2
    asked = searches(monkeypatch)
    ask_neighbours(features, labels, 2, neighbour_lists(features, 5))
    assert asked == list(range(60))


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


def record_of(probabilities, **columns):
    return replace(SampleRecord.empty(*probabilities.shape), probabilities=probabilities, **columns)


def test_evidence_against_a_label_by_hand():
    p = torch.tensor(
        [[0.1, 0.6, 0.3], [0.1, 0.45, 0.45], [0.1, 0.6, 0.3], [0.15, 0.6, 0.25], [0.6, 0.1, 0.3]]
    )
    neighbours = torch.tensor([1, 1, 2, 1, 1])
    given_labels = torch.zeros(5, dtype=torch.int64)
    # One that both name and that is six times as probable; of a tie the first counts, 4.5 times as probable;
    # neighbours name a third one; four times as probable; the model predicts the given one.
    found = contradicts(record_of(p, neighbour_label=neighbours), given_labels)
    assert found.tolist() == [True, False, False, False, False]
    five_times = record_of(torch.tensor([[0.125, 0.625]]), neighbour_label=torch.tensor([1]))
    assert contradicts(five_times, torch.tensor([0])).all()
    assert not contradicts(record_of(p), given_labels).any()


def test_of_a_small_class_neighbours_alone_are_evidence():
    given_labels = torch.tensor([0] * 4 + [1] * 3 + [2])
    sure = torch.nn.functional.one_hot(given_labels, 3).float()
    # Less than one in six; one in six; the same in classes of more than 0.6 * 8 / 3 = 1.6, so 2, samples.
    for support, against in ((0.16, True), (1 / 6, False)):
        found = contradicts(record_of(sure, neighbour_support=torch.full((8,), support)), given_labels)
        assert found.tolist() == [False] * 7 + [against]


def test_classes_of_few_samples_are_small():
    assert in_small_class(torch.tensor([0] * 10 + [1] * 6 + [2] * 4), 3).tolist() == [False] * 16 + [True] * 4
    assert in_small_class(torch.tensor([0] * 6 + [1] * 4), 2).tolist() == [False] * 10  # at most 0.6 * 5 = 3
    assert in_small_class(torch.tensor([0] * 7 + [1] * 3), 2).tolist() == [False] * 7 + [True] * 3


def test_label_quality_of_a_small_class_is_at_most_the_support_of_neighbours():
    # Two of label 1 among those of label 0, and a pair of label 1 of their own: 0.6 * 20 / 2 = 6.
    features = balanced(*(float(i) for i in range(8)), 90.0, 91.0)
    labels = torch.zeros(20, dtype=torch.int64)
    labels[[3, 5, 8, 9]] = 1
    quality = torch.full((20,), 0.9)
    record = record_of(torch.full((20, 2), 0.5), label_quality=quality)
    trusted = torch.arange(20) == 5
    found = confirm(record, features, labels, trusted)
    support = ask_neighbours(features, labels, 2).support
    assert support[3] < 0.5
    assert found.label_quality[3] == support[3]
    assert found.label_quality[5] == quality[5]
    assert torch.equal(found.label_quality[labels == 0], quality[labels == 0])
    lower = replace(record, label_quality=torch.zeros(20))
    assert not confirm(lower, features, labels, trusted).label_quality.any()
    # The only one of its class: nobody can say.
    labels[[5, 8, 9]] = 0
    assert confirm(record, features, labels, torch.zeros(20) > 0).label_quality[3] == quality[3]


def test_of_samples_nobody_asked_about_nothing_is_known():
    found = Neighbours.not_asked(2)
    assert found.label.tolist() == [-1, -1]
    assert found.support.tolist() == [0.5, 0.5]


def test_what_excuses_a_low_quality():
    # Five and two of small classes, and one alone, beside twelve.
    labels = torch.tensor([0] * 12 + [1, 1] + [2])
    said = torch.tensor([0] * 12 + [1, 0] + [-1])
    record = record_of(torch.full((15, 3), 1 / 3), neighbour_label=said)
    assert excuses(record, labels).tolist() == [False] * 12 + [True, False, True]
    unasked = replace(record, neighbour_label=torch.full((15,), -1))
    assert not excuses(unasked, labels).any()


GROUPED = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4])


@pytest.mark.parametrize("listed", [False, True])
def test_samples_of_one_group_do_not_speak_for_each_other(listed):
    # Three of a group with label 1 lie among five with label 0; one more of label 1 is far away.
    features = torch.cat([directions(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 180.0)])
    labels = torch.tensor([1, 1, 1, 0, 0, 0, 0, 1])
    lists = neighbour_lists(features, 7) if listed else None
    alone = ask_neighbours(features, labels, 2, lists)
    assert alone.label[:3].tolist() == [1, 1, 1]
    found = ask_neighbours(features, labels, 2, lists, GROUPED)
    # One other is of label 1: one is asked, the nearest of another group; two are asked for support.
    assert found.label[:3].tolist() == [0, 0, 0]
    assert found.support[:3].tolist() == [0.0, 0.0, 0.0]
    # The one far away: three of label 1, whose nearest are samples 6, 5, 4 of label 0.
    assert found.label[7] == alone.label[7] == 0
    # Samples 3 and 4 are a group: of two, the nearest are 2 and then 1 or 5; of four 2, 1, 5, and 0 or 6.
    assert found.support[3] < alone.support[3]
    nobody = ask_neighbours(features, labels, 2, lists, torch.where(labels == 1, 0, torch.arange(8)))
    assert nobody.label[labels == 1].tolist() == [-1] * 4
    assert nobody.support[labels == 1].tolist() == [0.5] * 4


def test_verdicts_do_not_ask_the_own_group():
    features = torch.cat([directions(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 180.0)])
    labels = torch.tensor([1, 1, 1, 0, 0, 0, 0, 1])
    record = record_of(torch.full((8, 2), 0.5))
    nobody = torch.zeros(8) > 0
    found = confirm(record, features, labels, nobody, GROUPED)
    assert torch.equal(found.neighbour_label, ask_neighbours(features, labels, 2, None, GROUPED).label)
    assert not torch.equal(found.neighbour_label, confirm(record, features, labels, nobody).neighbour_label)


def test_who_is_silent_takes_no_memory_of_groups_times_classes():
    """A number of a group times that of a class would need 80 GB."""
    together, labels = torch.arange(10_000), torch.arange(10_000) % 100_000
    found = evidence._silent(torch.ones(10_000, dtype=torch.bool), labels, 10**6, together // 2)
    assert found.tolist() == [1] * 10_000
    same = evidence._silent(
        torch.ones(4, dtype=torch.bool), torch.tensor([5, 5, 5, 7]), 9, torch.tensor([3, 3, 4, 3])
    )
    assert same.tolist() == [2, 2, 1, 1]
