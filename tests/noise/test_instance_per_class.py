from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labelmend.data.image_set import ImageSet
from labelmend.errors import SettingsError
from labelmend.noise.instance_per_class import (
    instance_per_class,
    location_of_mean,
    truncated_mean,
    truncated_normal,
)
from labelmend.noise.spec import apply


def published_loop(
    true: np.ndarray, pixels: np.ndarray, num_classes: int, rate: float, seed: int
) -> list[int]:
    """The generator as it is described, one sample at a time."""
    state = np.random.RandomState(seed)
    flip_rates = stats.truncnorm.ppf(
        state.random_sample(len(true)), -rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1
    )
    projections = state.normal(0, 1, (num_classes, pixels[0].size, num_classes))
    labels = []
    for n, label in enumerate(true):
        scores = pixels[n].transpose(2, 0, 1).ravel().astype(float) @ projections[label]
        scores[label] = -np.inf
        p = np.exp(scores - scores.max())
        p = flip_rates[n] * p / p.sum()
        p[label] += 1 - flip_rates[n]
        labels.append(int(state.choice(num_classes, p=p / p.sum())))
    return labels


def test_equals_the_published_loop(fixture_set: ImageSet) -> None:
    true, pixels = fixture_set.given_labels[:200], fixture_set.images.pixels.numpy()[:200]
    given, _ = instance_per_class(true, pixels, 10, 0.4, 5)
    assert given.tolist() == published_loop(true, pixels, 10, 0.4, 5)


def test_layout_and_scaling_change_the_noise_and_are_recorded(fixture_set: ImageSet) -> None:
    true, pixels = fixture_set.given_labels, fixture_set.images.pixels.numpy()
    hashes = set()
    for layout in ("chw", "hwc"):
        for scaling in ("raw", "standardised"):
            record = instance_per_class(true, pixels, 10, 0.4, 0, layout=layout, scaling=scaling)[1]
            assert (record.parameters["layout"], record.parameters["scaling"]) == (layout, scaling)
            hashes.add(record.sha256)
    assert len(hashes) == 4


def test_a_tiny_rate_gives_the_mean_of_the_truncated_normal_but_zero_gives_none() -> None:
    """E[N(0, .1) | >= 0] = .1 sqrt(2 / pi) = .0798, which a user who asks for 0 does not want."""
    true = np.tile(np.arange(10), 2000)
    pixels = np.random.RandomState(0).randint(0, 256, (20_000, 2, 2, 3), dtype=np.uint8)
    _, record = instance_per_class(true, pixels, 10, 1e-9, 0)
    assert record.realised_rate == pytest.approx(0.0798, abs=0.006)
    given, _ = instance_per_class(true, pixels, 10, 0.0, 0)
    np.testing.assert_array_equal(given, true)


def test_truncated_normal_is_scipys() -> None:
    uniform = np.random.RandomState(0).random_sample(500)
    for location in (0.05, 0.2, 0.5, 0.95):
        reference = stats.truncnorm(-location / 0.1, (1 - location) / 0.1, loc=location, scale=0.1)
        np.testing.assert_allclose(truncated_normal(uniform, location), reference.ppf(uniform), atol=1e-9)
        assert truncated_mean(location) == pytest.approx(reference.mean(), abs=1e-9)


@pytest.mark.parametrize("mean", [0.02, 0.1, 0.4, 0.9, 0.98])
def test_location_of_mean_inverts_the_mean(mean: float) -> None:
    assert truncated_mean(location_of_mean(mean)) == pytest.approx(mean, abs=1e-9)


def test_centre_mean_realises_a_low_rate() -> None:
    true = np.tile(np.arange(10), 2000)
    pixels = np.random.RandomState(0).randint(0, 256, (20_000, 2, 2, 3), dtype=np.uint8)
    assert instance_per_class(true, pixels, 10, 0.1, 0)[1].realised_rate == pytest.approx(0.1288, abs=0.007)
    centred = instance_per_class(true, pixels, 10, 0.1, 0, centre="mean")[1]
    assert centred.realised_rate == pytest.approx(0.1, abs=0.006)


def test_bad_settings_are_refused(fixture_set: ImageSet) -> None:
    true, pixels = fixture_set.given_labels, fixture_set.images.pixels.numpy()
    for name, value in (("layout", "wch"), ("scaling", "log"), ("centre", "median")):
        with pytest.raises(SettingsError, match=f"--noise: {name}= is '{value}'"):
            instance_per_class(true, pixels, 10, 0.4, 0, **{name: value})
    with pytest.raises(SettingsError, match="centre=mean"):
        instance_per_class(true, pixels, 10, 0.001, 0, centre="mean")


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_cifar10_rates_and_no_sink(cifar10: ImageSet, rate: float) -> None:
    noisy, record = apply(f"instance-per-class:{rate}:scaling=standardised", cifar10)
    assert record.realised_rate == pytest.approx(truncated_mean(rate), abs=0.005)
    assert np.bincount(noisy.given_labels).max() / len(noisy) < 0.15
    _, centred = apply(f"instance-per-class:{rate}:scaling=standardised:centre=mean", cifar10)
    assert centred.realised_rate == pytest.approx(rate, abs=0.005)
