from __future__ import annotations

import numpy as np
import pytest

from labelmend.noise.pairflip import pairflip


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_flips_go_to_the_next_class(rate: float) -> None:
    true = np.tile(np.arange(10), 5000)
    given, record = pairflip(true, 10, rate, 0)
    flipped = given != true
    np.testing.assert_array_equal(given[flipped], (true[flipped] + 1) % 10)
    assert record.realised_rate == pytest.approx(rate, abs=0.005)


def test_two_classes_by_the_public_stream() -> None:
    true = np.array([0, 1, 1, 0, 1, 0])
    state = np.random.RandomState(1)
    rows = [[0.7, 0.3], [0.3, 0.7]]
    expected = [int(state.multinomial(1, rows[label]).argmax()) for label in true]
    assert pairflip(true, 2, 0.3, 1)[0].tolist() == expected
