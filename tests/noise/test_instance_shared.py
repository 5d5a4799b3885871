from __future__ import annotations

import numpy as np
import pytest

from labelmend.data.image_set import ImageSet
from labelmend.errors import DataError, SettingsError
from labelmend.noise.instance_shared import instance_shared
from labelmend.noise.spec import apply


def published_loop(
    true: np.ndarray, pixels: np.ndarray, num_classes: int, rate: float, seed: int
) -> list[int]:
    """The generator as it is described, one sample at a time."""
    state = np.random.RandomState(seed)
    draws = state.normal(rate, 0.1, 1_000_000)
    flip_rates = draws[(draws > 0) & (draws < 1)][: len(true)]
    projection = state.normal(0, 1, (pixels[0].size, num_classes))
    labels = []
    for n, label in enumerate(true):
        scores = pixels[n].transpose(2, 0, 1).ravel().astype(float) @ projection
        scores[label] = -1e6
        p = np.exp(scores - scores.max())
        p = flip_rates[n] * p / p.sum()
        p[label] = 1 - flip_rates[n]
        labels.append(int(state.choice(num_classes, p=p / p.sum())))
    return labels


@pytest.mark.parametrize("seed", [0, 3])
def test_equals_the_published_loop(fixture_set: ImageSet, seed: int) -> None:
    true, pixels = fixture_set.given_labels[:200], fixture_set.images.pixels.numpy()[:200]
    given, _ = instance_shared(true, pixels, 10, 0.4, seed)
    assert given.tolist() == published_loop(true, pixels, 10, 0.4, seed)


def test_rate_zero_changes_nothing(fixture_set: ImageSet) -> None:
    true = fixture_set.given_labels
    given, record = instance_shared(true, fixture_set.images.pixels.numpy(), 10, 0.0, 0)
    np.testing.assert_array_equal(given, true)
    assert record.realised_rate == 0


def test_seeds_differ_and_the_record_tells_the_layout(fixture_set: ImageSet) -> None:
    true, pixels = fixture_set.given_labels, fixture_set.images.pixels.numpy()
    first, record = instance_shared(true, pixels, 10, 0.4, 0)
    assert record.sha256 == instance_shared(true, pixels, 10, 0.4, 0)[1].sha256
    assert record.sha256 != instance_shared(true, pixels, 10, 0.4, 1)[1].sha256
    assert record.parameters == {"layout": "chw", "scaling": "raw", "image_shape": [32, 32, 3]}
    assert first.dtype == np.int64


def test_bad_input_is_refused(fixture_set: ImageSet) -> None:
    true, pixels = fixture_set.given_labels, fixture_set.images.pixels.numpy()
    with pytest.raises(DataError, match="uint8 of shape"):
        instance_shared(true, pixels[:10], 10, 0.4, 0)
    with pytest.raises(DataError, match="uint8 of shape"):
        instance_shared(true, pixels / 255, 10, 0.4, 0)
    with pytest.raises(SettingsError, match="--rate"):
        instance_shared(true, pixels, 10, -0.1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "realised", "sha256"),
    [
        (0.2, 0.20766, "45a2e85977bbf30deb868a33e83417cc937903cc2e58f90ad3dc0a28f1115df8"),
        (0.4, 0.40330, "e15de35cb30152c5edc6561bf8217edc0f418b3736237865332aa5b899b76427"),
    ],
)
def test_gives_the_published_cifar10_files(
    cifar10: ImageSet, rate: float, realised: float, sha256: str
) -> None:
    noisy, record = apply(f"instance-shared:{rate}:seed=0", cifar10)
    assert record.sha256 == sha256
    assert record.realised_rate == pytest.approx(realised, abs=1e-9)
    flips = noisy.given_labels[noisy.given_labels != noisy.true_labels]
    assert np.bincount(flips, minlength=10).max() / len(flips) > 0.85
    if rate == 0.4:
        assert np.bincount(noisy.given_labels).max() / len(noisy) > 0.4
