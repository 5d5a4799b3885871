from __future__ import annotations

import numpy as np
import pytest

from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError, SettingsError
from labelmend.noise.part_dependent import part_dependent, part_matrices, part_weights, scaled_to_mean
from labelmend.noise.spec import apply


def two_part_features(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples that are made of part 0 (first half of the features), of part 1, or of both alike."""
    share = np.random.RandomState(0).choice([0.0, 0.5, 1.0], count)
    features = np.hstack([np.outer(share, np.ones(3)), np.outer(1 - share, np.ones(3))])
    return features, share


def test_weights_are_the_shares_of_the_parts() -> None:
    features, share = two_part_features(300)
    weights = part_weights(features, 2, np.arange(300), 0)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    first = 0 if weights[share == 1, 0].mean() > 0.5 else 1
    np.testing.assert_allclose(weights[:, first], share, atol=0.05)


def test_matrices_are_row_stochastic_and_of_the_nominal_rate_on_average() -> None:
    state = np.random.RandomState(0)
    weights, labels = state.dirichlet(np.ones(4), 500), state.randint(0, 3, 500)
    matrices = part_matrices(weights, labels, 3, 0.3, state)
    assert matrices.shape == (4, 3, 3)
    assert (matrices >= 0).all()
    np.testing.assert_allclose(matrices.sum(axis=2), 1)
    stay = np.einsum("nk,kn->n", weights, matrices[:, labels, labels])
    for label in range(3):
        assert 1 - stay[labels == label].mean() == pytest.approx(0.3)
    assert matrices[:, 0, 0].std() > 0.01


def test_flips_follow_the_part() -> None:
    """Samples of one part alone are drawn from that part's own matrix."""
    features, share = two_part_features(30_000)
    true = np.zeros(30_000, dtype=np.int64)
    given, record = part_dependent(true, features, 5, 0.4, 0, parts=2)
    pure = [np.bincount(given[share == value], minlength=5) / (share == value).sum() for value in (0.0, 1.0)]
    both = np.bincount(given[share == 0.5], minlength=5) / (share == 0.5).sum()
    assert np.abs(pure[0] - pure[1]).max() > 0.05
    np.testing.assert_allclose(both, (pure[0] + pure[1]) / 2, atol=0.03)
    assert record.realised_rate == pytest.approx(0.4, abs=0.01)


def test_rate_zero_and_bad_input() -> None:
    features, _ = two_part_features(50)
    true = np.zeros(50, dtype=np.int64)
    np.testing.assert_array_equal(part_dependent(true, features, 3, 0.0, 0, parts=2)[0], true)
    with pytest.raises(DataError, match="non-negative"):
        part_dependent(true, features - 1, 3, 0.2, 0, parts=2)
    with pytest.raises(DataError, match=r"\(50, d\)"):
        part_dependent(true, features[:9], 3, 0.2, 0, parts=2)
    for parts in (1, 7):
        with pytest.raises(SettingsError, match=r"parts= is \d, but must be from 2 to"):
            part_dependent(true, features, 3, 0.2, 0, parts=parts)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_cifar10_rates(cifar10: ImageSet, rate: float) -> None:
    assert apply(f"part-dependent:{rate}", cifar10)[1].realised_rate == pytest.approx(rate, abs=0.005)


def test_chances_are_scaled_to_a_mean_and_those_cut_off_are_made_up_for() -> None:
    shares = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(scaled_to_mean(np.array([0.2, 0.2, 0.4]), shares, 0.5), [0.4, 0.4, 0.8])
    # 0.8, 0.8 and 2 would have the mean; what the last misses, 0.25, the others gain.
    chances = np.array([0.2, 0.2, 0.5])
    np.testing.assert_allclose(scaled_to_mean(chances, shares, 0.6), [7 / 15, 7 / 15, 1])
    # Once the last is cut off, the second is too.
    np.testing.assert_allclose(scaled_to_mean(np.array([0.1, 0.6, 0.9]), shares, 0.8), [0.6, 1, 1])
    np.testing.assert_allclose(scaled_to_mean(chances, shares, 1.0), 1)
    assert chances.tolist() == [0.2, 0.2, 0.5]


@pytest.mark.parametrize("rate", [0.9, 1.0])
def test_high_rates_are_met(rate: float) -> None:
    state = np.random.RandomState(0)
    labels = state.randint(0, 3, 4000)
    _, record = part_dependent(labels, state.random_sample((4000, 12)), 3, rate, 0, parts=4)
    assert record.realised_rate == pytest.approx(rate, abs=0.0 if rate == 1 else 0.015)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.inf, "finite, non-negative features"), (-1.0, "non-negative"), (0.0, "are the images black")],
)
def test_features_that_have_no_parts_are_refused(value: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        part_dependent(np.array([0, 1, 0, 1]), np.full((4, 3), value), 2, 0.4, 0, parts=2)
