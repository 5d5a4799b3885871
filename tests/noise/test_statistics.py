from __future__ import annotations

import numpy as np
import pytest

from labelmend.errors import DataError, SettingsError
from labelmend.noise.statistics import instance_dependence, pixel_features
from labelmend.noise.symmetric import symmetric
from labelmend.noise.transition import transition

STATE = np.random.RandomState(0)
TRUE = STATE.randint(0, 3, 4000)
FEATURES = STATE.normal(size=(4000, 4)) + TRUE[:, None]


def test_flips_that_depend_on_a_feature_are_told_from_a_matrix_of_the_same_rates() -> None:
    chance = 1 / (1 + np.exp(-3 * (FEATURES[:, 0] - TRUE)))
    flipped = STATE.random_sample(4000) < chance
    given = np.where(flipped, (TRUE + STATE.randint(1, 3, 4000)) % 3, TRUE)
    found = instance_dependence(TRUE, given, FEATURES, 3, 0)
    assert found.flip_auroc > 0.8
    assert found.target_auroc == pytest.approx(0.5, abs=4 * found.target_error)
    assert found.instance_dependent
    matrix = np.array([[np.mean(given[i == TRUE] == j) for j in range(3)] for i in range(3)])
    control = instance_dependence(TRUE, transition(TRUE, matrix, 1)[0], FEATURES, 3, 0)
    assert not control.instance_dependent
    assert control.flip_auroc == pytest.approx(0.5, abs=4 * control.flip_error)


def test_targets_that_depend_on_a_feature_are_found_where_flips_do_not() -> None:
    flipped = STATE.random_sample(4000) < 0.4
    step = np.where(FEATURES[:, 1] - TRUE > 0, 1, 2)
    found = instance_dependence(TRUE, np.where(flipped, (TRUE + step) % 3, TRUE), FEATURES, 3, 0)
    assert found.target_auroc > 0.95
    assert found.flip_auroc == pytest.approx(0.5, abs=4 * found.flip_error)
    assert found.instance_dependent


def test_the_standard_error_is_honest() -> None:
    """Over many symmetric draws the distances from 0.5 are about one standard error."""
    z = []
    for seed in range(12):
        found = instance_dependence(TRUE, symmetric(TRUE, 3, 0.4, seed)[0], FEATURES, 3, seed)
        z += [(found.flip_auroc - 0.5) / found.flip_error, (found.target_auroc - 0.5) / found.target_error]
        assert not found.instance_dependent
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.6
    assert abs(np.mean(z)) < 1


def test_nothing_to_measure() -> None:
    found = instance_dependence(TRUE, TRUE, FEATURES, 3, 0)
    assert (found.flip_auroc, found.target_auroc, found.z) == (0.5, 0.5, 0.0)
    assert not found.instance_dependent


def test_pixel_features_are_white() -> None:
    found = pixel_features(STATE.randint(0, 256, (200, 4, 4, 3)).astype(np.uint8), 5, 0)
    np.testing.assert_allclose(np.cov(found.T), np.eye(5), atol=1e-6)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="10 given labels"):
        instance_dependence(TRUE, TRUE[:10], FEATURES, 3, 0)
    with pytest.raises(SettingsError, match="--folds"):
        instance_dependence(TRUE, TRUE, FEATURES, 3, 0, folds=1)
