from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from labelmend.config import NetworkSettings
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import DataError, SettingsError
from labelmend.noise.classifier import (
    averaged_softmax,
    choose_recipe,
    flip_top,
    load_soft_labels,
    save_soft_labels,
)
from labelmend.noise.spec import apply

SOFT = np.array([[0.9, 0.06, 0.04], [0.3, 0.5, 0.2], [0.1, 0.2, 0.7], [0.0, 0.6, 0.4], [0.5, 0.1, 0.4]])
TRUE = np.array([0, 0, 2, 1, 1])


def easy_set(count: int) -> ImageSet:
    """Three classes of 8 x 8 images, each mostly of its own colour."""
    state = np.random.RandomState(0)
    labels = state.randint(0, 3, count)
    pixels = state.randint(0, 100, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, labels] += 100
    images = MemoryImages(torch.from_numpy(pixels.astype(np.uint8)))
    return ImageSet(images, labels, ["red", "green", "blue"], [str(i) for i in range(count)], [""] * count)


def test_flips_by_hand() -> None:
    """Scores of the best wrong class: .06, .5, .2, .4, .5; equal scores go by position."""
    assert flip_top(SOFT, TRUE, 0.2).tolist() == [0, 1, 2, 1, 1]
    assert flip_top(SOFT, TRUE, 0.4).tolist() == [0, 1, 2, 1, 0]
    assert flip_top(SOFT, TRUE, 0.6).tolist() == [0, 1, 2, 2, 0]
    assert flip_top(SOFT, TRUE, 1.0).tolist() == [1, 1, 1, 2, 0]
    assert flip_top(SOFT, TRUE, 0.0).tolist() == TRUE.tolist()


@settings(max_examples=60, deadline=None)
@given_by(st.integers(0, 2**31), st.integers(1, 80), st.integers(2, 6), st.floats(0, 1), st.floats(0, 1))
def test_counts_are_exact_and_flips_nested(seed: int, count: int, classes: int, a: float, b: float) -> None:
    state = np.random.RandomState(seed)
    soft, true = state.dirichlet(np.ones(classes), count).round(1), state.randint(0, classes, count)
    low, high = sorted((a, b))
    few, many = flip_top(soft, true, low), flip_top(soft, true, high)
    assert (few != true).sum() == int(low * count)
    assert (many != true).sum() == int(high * count)
    flipped = few != true
    np.testing.assert_array_equal(few[flipped], many[flipped])


def test_bad_soft_labels_are_refused() -> None:
    with pytest.raises(DataError, match="soft labels"):
        flip_top(SOFT[:3], TRUE, 0.2)
    with pytest.raises(DataError, match="finite"):
        flip_top(np.full((5, 3), np.nan), TRUE, 0.2)
    with pytest.raises(SettingsError, match="--rate"):
        flip_top(SOFT, TRUE, 1.2)


def test_soft_labels_are_kept_and_belong_to_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "soft.npz"
    save_soft_labels(path, SOFT, TRUE)
    np.testing.assert_allclose(load_soft_labels(path, TRUE), SOFT, atol=1e-7)
    with pytest.raises(DataError, match="not those of these"):
        load_soft_labels(path, TRUE[::-1])
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="delete it"):
        load_soft_labels(path, TRUE)


def test_recipes_by_name() -> None:
    assert choose_recipe("quick").network == "fastnet"
    assert choose_recipe("full").epochs == 150
    assert choose_recipe("quick", epochs=3).epochs == 3
    with pytest.raises(SettingsError, match="recipe=quick or recipe=full"):
        choose_recipe("slow")
    assert choose_recipe("quick").settings(0).network.widths == [16, 32, 64]


@pytest.mark.parametrize(("recipe", "network"), [("full", None), ("quick", "resnet18"), ("full", "fastnet")])
def test_widths_are_for_networks_that_have_them(recipe: str, network: str | None) -> None:
    """A ResNet has none, and the full recipe, made for one, leaves those of fastnet as they are."""
    assert choose_recipe(recipe, network=network).settings(0).network.widths == NetworkSettings().widths


def test_softmax_is_averaged_over_the_epochs() -> None:
    """The mean over two epochs lies between, and one epoch alone is another result."""
    images = easy_set(120)
    soft = averaged_softmax(images, choose_recipe("quick", epochs=2), 0)
    assert soft.shape == (120, 3)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_array_equal(soft, averaged_softmax(images, choose_recipe("quick", epochs=2), 0))
    assert not np.array_equal(soft, averaged_softmax(images, choose_recipe("quick", epochs=2), 1))


def test_the_network_learns_and_the_file_is_used_again(tmp_path: Path) -> None:
    images, path = easy_set(300), tmp_path / "soft.npz"
    noisy, record = apply(f"classifier:0.2:epochs=20:soft={path}", images)
    with np.load(path) as archive:
        assert np.mean(archive["soft_labels"].argmax(axis=1) == images.given_labels) > 0.8
    assert (noisy.given_labels != images.given_labels).sum() == 60
    again, second = apply(f"classifier:0.1:soft={path}", images)
    changed = again.given_labels != images.given_labels
    assert changed.sum() == 30
    np.testing.assert_array_equal(again.given_labels[changed], noisy.given_labels[changed])
    assert second.parameters["soft_labels_sha256"] == record.parameters["soft_labels_sha256"]
