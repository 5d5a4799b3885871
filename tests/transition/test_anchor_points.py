import pytest
import torch

from labelmend.transition.anchor_points import anchor_point_transition, anchor_points

P = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.3, 0.4, 0.3]])


def test_anchor_points_by_hand():
    assert anchor_points(P, 100).tolist() == [0, 2, 3]
    assert anchor_point_transition(P, 100).tolist() == P[[0, 2, 3]].tolist()


def test_outliers_by_hand():
    # Of five values the 75th percentile is the second largest, and it counts as an outlier too.
    assert anchor_points(P, 75).tolist() == [4, 1, 1]
    # Just above the second largest, it is the anchor.
    assert anchor_points(P, 80).tolist() == [1, 4, 4]


def test_the_percentile_is_in_percent():
    rising = torch.arange(1001.0)[:, None]
    assert anchor_points(rising, 90).tolist() == [899]


def test_where_all_are_outliers_none_is():
    same = torch.full((4, 2), 0.5)
    assert anchor_points(same, 97).tolist() == [0, 0]
    # The first column has nothing below its median; the second goes by it all the same.
    ties = torch.tensor([[0.1, 0.4], [0.1, 0.3], [0.1, 0.2], [0.6, 0.1]])
    assert anchor_points(ties, 50).tolist() == [3, 2]
    few = torch.tensor([[0.9, 0.1]])
    assert anchor_points(few, 97).tolist() == [0, 0]


@pytest.mark.parametrize("percentile", [50, 97, 100])
def test_rows_sum_to_one_and_do_not_depend_on_the_order(percentile):
    draw = torch.Generator().manual_seed(0)
    # As of a network in low precision: rows that do not quite sum to 1.
    p = (3 * torch.randn(200, 6, generator=draw)).softmax(1) * (1 + 0.01 * torch.rand(200, 1, generator=draw))
    found = anchor_point_transition(p, percentile)
    assert torch.allclose(found.sum(1), torch.ones(6))
    order = torch.randperm(200, generator=draw)
    assert torch.equal(anchor_point_transition(p[order], percentile), found)


def test_the_transition_of_labels_whose_classes_are_certain():
    """p(given | x) is the row of the class of x: the estimate is exact."""
    true = torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.0, 0.2, 0.8]])
    p = true[torch.arange(90) % 3]
    assert torch.allclose(anchor_point_transition(p, 100), true)
