import numpy as np
import pytest

from labelmend.review.audit import Stratum, allocate, draw_sample, estimate, wilson


def test_allocation_is_in_proportion_with_a_few_of_each():
    assert allocate([600, 300, 100], 100) == [60, 30, 10]
    assert allocate([980, 18, 2], 100) == [93, 5, 2]
    assert allocate([3, 4], 100) == [3, 4]
    assert allocate([100, 0, 50], 11) == [6, 0, 5]
    assert sum(allocate([333, 333, 334], 100)) == 100


def test_no_sample_of_no_images():
    assert list(draw_sample(np.array([], dtype=int), 10, np.random.default_rng(0))) == []


def test_a_sample_meets_every_stratum_first_and_a_larger_one_holds_it():
    strata = np.repeat([0, 1, 2], [900, 80, 20])
    small = draw_sample(strata, 50, np.random.default_rng(7))
    assert sorted(strata[small[:3]]) == [0, 1, 2]
    assert len(small) == len(set(small)) == sum(allocate([900, 80, 20], 50))
    large = draw_sample(strata, 200, np.random.default_rng(7))
    assert set(small) <= set(large)
    assert list(small) == list(draw_sample(strata, 50, np.random.default_rng(7)))
    assert list(small) != list(draw_sample(strata, 50, np.random.default_rng(8)))


def test_wilson_by_hand():
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998: 81 of 263, 0 of 20.
    assert wilson(81, 263, 10**12) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20, 10**12) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_narrows_as_the_sample_nears_the_whole():
    assert wilson(3, 10, 10) == (0.3, 0.3)
    # 50 of 99 count for 50 * 98 / 49 = 100: that of 40 in 100 is (0.3094, 0.4980).
    assert wilson(20, 50, 99) == pytest.approx((0.3094, 0.4980), abs=5e-5)


def test_the_estimate_weighs_strata_by_their_size():
    found = estimate([Stratum(size=90, judged=90, wrong=0), Stratum(size=10, judged=10, wrong=10)])
    assert (found.rate, found.low, found.high) == (0.1, 0.1, 0.1)


def test_one_stratum_alone_has_wilsons_interval():
    found = estimate([Stratum(size=10**12, judged=263, wrong=81)])
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_arms_are_joined_by_their_squares():
    # Halves of (0, 0.1611) and (0.8389, 1): 0.5 - 0.5 * 0.1611 and 0.5 + 0.5 * 0.1611.
    found = estimate([Stratum(10**12, 20, 0), Stratum(10**12, 20, 20)])
    assert (found.rate, found.low, found.high) == pytest.approx((0.5, 0.4194, 0.5806), abs=5e-5)
    # Two equal strata: arms of 0.5 * sqrt(2) times the one's.
    low, high = wilson(81, 263, 10**12)
    share = 81 / 263
    found = estimate([Stratum(10**12, 263, 81)] * 2)
    assert share - found.low == pytest.approx((share - low) / 2**0.5)
    assert found.high - share == pytest.approx((high - share) / 2**0.5)


def test_nothing_is_estimated_before_every_stratum_was_looked_at():
    assert estimate([Stratum(5, 0, 0), Stratum(5, 5, 1)]) is None
    assert estimate([]) is None


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    strata, rates = np.repeat([0, 1, 2], [1500, 400, 100]), np.array([0.02, 0.9, 0.4])
    held = 0
    for _ in range(300):
        wrong = rng.random(2000) < rates[strata]
        sample = draw_sample(strata, 100, rng)
        parts = [
            Stratum(
                int((strata == k).sum()),
                int((strata[sample] == k).sum()),
                int(wrong[sample][strata[sample] == k].sum()),
            )
            for k in range(3)
        ]
        found = estimate(parts)
        held += found.low <= wrong.mean() <= found.high
    assert 0.92 <= held / 300 <= 1.0
