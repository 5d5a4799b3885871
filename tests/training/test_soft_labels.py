from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from labelmend.config import NetworkSettings
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import LabelmendWarning
from labelmend.noise.classifier import RECIPES, choose_recipe
from labelmend.noise.spec import apply
from labelmend.training.soft_labels import averaged_softmax, recipe_settings
from labelmend.training.trainer import Trainer


def easy_set(count: int) -> ImageSet:
    """Three classes of 8 x 8 images, each mostly of its own colour."""
    state = np.random.RandomState(0)
    labels = state.randint(0, 3, count)
    pixels = state.randint(0, 100, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, labels] += 100
    images = MemoryImages(torch.from_numpy(pixels.astype(np.uint8)))
    return ImageSet(images, labels, ["red", "green", "blue"], [str(i) for i in range(count)], [""] * count)


def test_a_recipe_becomes_settings_that_do_not_depend_on_the_machine() -> None:
    for recipe in RECIPES.values():
        settings = recipe_settings(recipe, 3)
        assert settings.seed == 3
        assert settings.method.name == "ce"
        assert settings.network.network == recipe.network
        assert settings.budget.epochs == recipe.epochs
        assert settings.training.batch_size == recipe.batch_size
        assert (settings.training.lr, settings.training.lr_schedule) == (recipe.lr, recipe.lr_schedule)
        assert settings.training.precision == "float32"
        assert settings.training.memory_format == "channels_last"
        assert (settings.training.ema_decay, settings.training.flip_average) == (0, False)


@pytest.mark.parametrize(("recipe", "network"), [("full", None), ("quick", "resnet18"), ("full", "fastnet")])
def test_widths_are_for_networks_that_have_them(recipe: str, network: str | None) -> None:
    """A ResNet has none, and the full recipe, made for one, leaves those of fastnet as they are."""
    settings = recipe_settings(choose_recipe(recipe, network=network), 0)
    assert settings.network.widths == NetworkSettings().widths
    assert recipe_settings(choose_recipe("quick"), 0).network.widths == [16, 32, 64]


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
    noisy, record = apply(f"classifier:0.2:epochs=20:soft={path}", images, train=averaged_softmax)
    with np.load(path) as archive:
        assert np.mean(archive["soft_labels"].argmax(axis=1) == images.given_labels) > 0.8
    assert (noisy.given_labels != images.given_labels).sum() == 60
    again, second = apply(f"classifier:0.1:soft={path}", images)
    changed = again.given_labels != images.given_labels
    assert changed.sum() == 30
    np.testing.assert_array_equal(again.given_labels[changed], noisy.given_labels[changed])
    assert second.parameters["soft_labels_sha256"] == record.parameters["soft_labels_sha256"]


def test_a_training_of_minutes_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "seconds_left", lambda self: 190.0)
    said = (
        "classifier noise: fastnet is trained on the clean labels of 60 images first, 1 epoch, about 3 min "
        "on this machine; its labels are made from what it says"
    )
    with pytest.warns(LabelmendWarning) as heard:
        averaged_softmax(easy_set(60), choose_recipe("quick", epochs=1), 0)
    assert [str(warning.message) for warning in heard] == [said]


def test_a_training_of_seconds_is_not_announced(recwarn: pytest.WarningsRecorder) -> None:
    averaged_softmax(easy_set(60), choose_recipe("quick", epochs=1), 0)
    assert not recwarn.list
