from dataclasses import replace

import numpy as np
import pytest

from labelmend.errors import SettingsError
from labelmend.noise.trusted import draw_trusted


def test_as_many_as_asked_for_are_drawn_by_the_seed(fixture_set):
    found = draw_trusted(fixture_set, 100, 3)
    assert found.trusted.sum() == 100
    assert 30 < found.trusted[:500].sum() < 70
    np.testing.assert_array_equal(found.given_labels, fixture_set.given_labels)
    np.testing.assert_array_equal(found.trusted, draw_trusted(fixture_set, 100, 3).trusted)
    assert not np.array_equal(found.trusted, draw_trusted(fixture_set, 100, 4).trusted)


def test_labels_are_the_true_ones_where_they_are_known(fixture_set):
    true = fixture_set.given_labels
    noisy = replace(fixture_set, given_labels=(true + 1) % 10, true_labels=true)
    np.testing.assert_array_equal(draw_trusted(noisy, 1, 0).given_labels, true)


@pytest.mark.parametrize("count", [-1, 0, 1000])
def test_some_are_trusted_and_some_are_not(fixture_set, count):
    with pytest.raises(SettingsError, match=rf"--trusted is {count}, but must be from 1 to 999"):
        draw_trusted(fixture_set, count, 0)


def test_labels_that_are_trusted_already_are_not_drawn_anew(fixture_set):
    flags = np.arange(1000) == 7
    with pytest.raises(SettingsError, match=r"--trusted 5: 1 labels of .* are trusted already"):
        draw_trusted(replace(fixture_set, trusted=flags), 5, 0)
    assert draw_trusted(replace(fixture_set, trusted=flags & False), 5, 0).trusted.sum() == 5


def test_a_seed_that_numpy_does_not_take_is_refused(fixture_set):
    for seed in (-1, 2**32):
        with pytest.raises(SettingsError, match=f"--seed is {seed}, but must be from 0 to 4294967295"):
            draw_trusted(fixture_set, 10, seed)
