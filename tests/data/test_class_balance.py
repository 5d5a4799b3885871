from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.data.class_balance import class_balanced_epoch


def test_equal_shares_and_a_small_class():
    labels = np.array([0] * 100 + [1] * 50 + [2] * 3)
    drawn = class_balanced_epoch(labels, 3, 30, np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [10, 10, 3]
    assert drawn.dtype == np.int64
    assert not np.array_equal(drawn, np.sort(drawn))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 60), st.integers(0, 99))
def test_no_repetition_and_shares_differ_by_one_at_most(labels, count, seed):
    labels = np.array(labels)
    drawn = class_balanced_epoch(labels, 5, count, np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == len(drawn) <= count
    held = np.bincount(labels, minlength=5)
    got = np.bincount(labels[drawn], minlength=5)
    assert (got >= np.minimum(held, count // 5)).all()
    assert (got <= count // 5 + 1).all()
    again = class_balanced_epoch(labels, 5, count, np.random.default_rng(seed))
    np.testing.assert_array_equal(drawn, again)
