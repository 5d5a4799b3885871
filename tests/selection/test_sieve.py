import math

import pytest
import torch

from labelmend.selection.sieve import sieve

P = torch.tensor([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [1.0, 0.0, 0.0], [0.4, 0.35, 0.25]])
GIVEN = torch.tensor([0, 1, 0, 1])


def test_by_hand():
    # ln 0.8 + ln 0.1 + ln 0.1 over three is -1.61: differences -1.39, 0.69, -12.3 and -0.06.
    for threshold, kept in [(0, [1, 0, 1, 1]), (-1, [1, 0, 1, 0]), (-8, [0, 0, 1, 0]), (-20, [0, 0, 0, 0])]:
        assert sieve(P, GIVEN, threshold).int().tolist() == kept


def test_the_threshold_is_the_difference_itself():
    difference = -math.log(0.8) + (math.log(0.8) + 2 * math.log(0.1)) / 3
    assert difference == pytest.approx(-1.386, abs=1e-3)
    assert [bool(sieve(P, GIVEN, difference + shift)[0]) for shift in (1e-4, -1e-4)] == [True, False]


def test_a_label_as_likely_as_the_average_class_is_not_kept():
    assert not sieve(torch.full((1, 4), 0.25), torch.tensor([2]), 0.0).any()
