import numpy as np

from labelmend.verdicts.flow import count_flow


def test_suggestions_are_counted_from_and_to_classes():
    found = count_flow(np.array([0, 0, 1, 2]), np.array([1, 1, 1, 2]), 3)
    assert found.classes == [0, 1]
    assert found.images.tolist() == [[0, 2], [0, 0]]
    assert found.left_out == 0


def test_of_many_classes_those_with_most_are_kept():
    found = count_flow(np.array([0, 0, 0, 2, 2]), np.array([1, 1, 1, 3, 0]), 4, most=2)
    assert found.classes == [0, 1]
    assert found.images.tolist() == [[0, 3], [0, 0]]
    assert found.left_out == 2


def test_without_suggestions_nothing_moves():
    found = count_flow(np.array([0, 1]), np.array([0, 1]), 2)
    assert (found.classes, found.images.shape, found.left_out) == ([], (0, 0), 0)
