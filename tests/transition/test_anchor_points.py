import pytest
import torch

from labelmend.transition import anchor_points as module
from labelmend.transition.anchor_points import anchor_point_transition, anchor_points

LABELS = torch.tensor([0, 0, 1, 2, 1])
P = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.3, 0.4, 0.3]])


def test_anchor_points_by_hand():
    assert anchor_points(P, LABELS, 100).tolist() == [0, 2, 3]
    assert anchor_point_transition(P, LABELS, 100).tolist() == P[[0, 2, 3]].tolist()


@pytest.fixture
def unbounded(monkeypatch):
    """As published: however many samples a class has, as many are outliers."""
    monkeypatch.setattr(module, "MOST_LEFT_OUT", 100.0)


def test_at_most_half_as_many_are_outliers_as_a_class_has():
    # Half of 2, 2 and 1 of five samples are shares of 0.2, 0.2 and 0.1: the largest is left out, and no more.
    assert anchor_points(P, LABELS, 75).tolist() == [1, 4, 4]
    assert anchor_points(P, LABELS, 50).tolist() == [1, 4, 4]
    # Half of all for the first class; one that nobody has loses what is as large as its largest value.
    assert anchor_points(P, torch.zeros(5, dtype=torch.int64), 50).tolist() == [3, 4, 4]


@pytest.mark.parametrize("classes", [10, 40, 100])
def test_the_anchor_of_a_class_is_one_of_it_however_many_classes_there_are(classes):
    true = torch.arange(20 * classes) % classes
    logits = torch.randn(len(true), classes, generator=torch.Generator().manual_seed(0)) / 3
    p = (logits + 8 * torch.nn.functional.one_hot(true, classes)).softmax(1)
    assert torch.equal(true[anchor_points(p, true, 97)], torch.arange(classes))


def test_outliers_by_hand(unbounded):
    # Of five values the 75th percentile is the second largest, and it counts as an outlier too.
    assert anchor_points(P, LABELS, 75).tolist() == [4, 1, 1]
    # Just above the second largest, it is the anchor.
    assert anchor_points(P, LABELS, 80).tolist() == [1, 4, 4]


def test_the_percentile_is_in_percent(unbounded):
    rising = torch.arange(1001.0)[:, None]
    assert anchor_points(rising, torch.zeros(1001, dtype=torch.int64), 90).tolist() == [899]


def test_where_all_are_outliers_none_is(unbounded):
    same = torch.full((4, 2), 0.5)
    assert anchor_points(same, LABELS[:4] % 2, 97).tolist() == [0, 0]
    # The first column has nothing below its median; the second goes by it all the same.
    ties = torch.tensor([[0.1, 0.4], [0.1, 0.3], [0.1, 0.2], [0.6, 0.1]])
    assert anchor_points(ties, LABELS[:4] % 2, 50).tolist() == [3, 2]
    few = torch.tensor([[0.9, 0.1]])
    assert anchor_points(few, LABELS[:1], 97).tolist() == [0, 0]


@pytest.mark.parametrize("percentile", [50, 97, 100])
def test_rows_sum_to_one_and_do_not_depend_on_the_order(percentile):
    draw = torch.Generator().manual_seed(0)
    # As of a network in low precision: rows that do not quite sum to 1.
    p = (3 * torch.randn(200, 6, generator=draw)).softmax(1) * (1 + 0.01 * torch.rand(200, 1, generator=draw))
    labels = torch.arange(200) % 6
    found = anchor_point_transition(p, labels, percentile)
    assert torch.allclose(found.sum(1), torch.ones(6))
    order = torch.randperm(200, generator=draw)
    assert torch.equal(anchor_point_transition(p[order], labels[order], percentile), found)


def test_the_transition_of_labels_whose_classes_are_certain():
    """p(given | x) is the row of the class of x: the estimate is exact."""
    true = torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.0, 0.2, 0.8]])
    p = true[torch.arange(90) % 3]
    assert torch.allclose(anchor_point_transition(p, torch.arange(90) % 3, 100), true)


@pytest.mark.parametrize("percentile", [50, 97, 100])
def test_a_class_that_no_sample_is_given_has_the_row_of_the_identity(percentile):
    """Else a network could predict it for images on which two other classes are likely."""
    draw = torch.Generator().manual_seed(0)
    p = (3 * torch.randn(300, 3, generator=draw) + torch.tensor([0.0, 0.0, -6.0])).softmax(1)
    found = anchor_point_transition(p, p[:, :2].argmax(1), percentile)
    assert found[2].tolist() == [0, 0, 1]
    assert (found[:2, :2] < 1).all()
