from __future__ import annotations

import time

import numpy as np
import pytest

from labelmend.errors import DataError, SettingsError
from labelmend.noise.asymmetric import CIFAR10_MAP, asymmetric
from labelmend.noise.pairflip import pairflip
from labelmend.noise.symmetric import symmetric, symmetric_inclusive
from labelmend.noise.transition import transition

TRUE = np.tile(np.arange(10), 5000)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4, 0.5])
def test_exclusive_realises_its_rate_evenly_over_the_other_classes(rate: float) -> None:
    given, record = symmetric(TRUE, 10, rate, 0)
    assert record.realised_rate == pytest.approx(rate, abs=3 * np.sqrt(rate * (1 - rate) / 50_000))
    matrix = np.array(record.transition)
    others = matrix[~np.eye(10, dtype=bool)]
    np.testing.assert_allclose(others, rate / 9, atol=0.013)
    assert given.dtype == np.int64


def test_exclusive_never_flips_to_itself() -> None:
    given, _ = symmetric(TRUE, 10, 1.0, 0)
    assert not (given == TRUE).any()


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4, 0.5])
def test_inclusive_draws_exact_numbers_and_realises_less(rate: float) -> None:
    _, record = symmetric_inclusive(TRUE, 10, rate, 0)
    assert record.parameters["redrawn"] == int(rate * 50_000)
    assert record.parameters["expected_rate"] == pytest.approx(rate * 0.9)
    assert record.realised_rate == pytest.approx(rate * 0.9, abs=0.005)


def test_inclusive_covers_all_classes_alike() -> None:
    given, _ = symmetric_inclusive(TRUE, 10, 1.0, 0)
    assert np.mean(given == TRUE) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("model", [symmetric, symmetric_inclusive, pairflip])
def test_rate_zero_changes_nothing_and_the_input_is_left_alone(model) -> None:
    true = TRUE.copy()
    given, record = model(true, 10, 0.0, 0)
    np.testing.assert_array_equal(given, TRUE)
    given[:] = 0
    np.testing.assert_array_equal(true, TRUE)
    assert record.realised_rate == 0


@pytest.mark.parametrize("model", [symmetric, symmetric_inclusive, pairflip])
def test_bad_input_is_refused(model) -> None:
    with pytest.raises(SettingsError, match=r"--rate is 1\.5"):
        model(TRUE, 10, 1.5, 0)
    with pytest.raises(SettingsError, match="--rate is nan"):
        model(TRUE, 10, float("nan"), 0)
    with pytest.raises(DataError, match="row 5 is 5"):
        model(TRUE, 5, 0.1, 0)


@pytest.mark.slow
def test_a_million_labels_take_under_five_seconds() -> None:
    true = np.random.RandomState(0).randint(0, 10, 1_000_000)
    matrix = np.full((10, 10), 0.04) + 0.6 * np.eye(10)
    runs = {
        "symmetric": lambda: symmetric(true, 10, 0.4, 0),
        "symmetric-inclusive": lambda: symmetric_inclusive(true, 10, 0.4, 0),
        "asymmetric": lambda: asymmetric(true, 10, 0.4, 0, CIFAR10_MAP),
        "pairflip": lambda: pairflip(true, 10, 0.4, 0),
        "transition": lambda: transition(true, matrix, 0),
    }
    for name, run in runs.items():
        start = time.process_time()
        run()
        assert time.process_time() - start < 5, name
