from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, DataSettings, Settings
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods.cross_entropy import CrossEntropySettings
from labelmend.noise.classifier import choose_recipe
from labelmend.runs import jobs, soft_labels
from labelmend.runs.soft_labels import soft_label_trainer
from labelmend.training.soft_labels import averaged_softmax

RECIPE = choose_recipe("quick", epochs=1)


@pytest.fixture
def trained(monkeypatch):
    """The runs of a stand-in for training, by recipe and seed."""
    runs = []

    def train(train_set, recipe, seed):
        runs.append((recipe, seed))
        draw = np.random.default_rng(len(runs))
        return draw.dirichlet(np.ones(train_set.num_classes), len(train_set)).astype(np.float32)

    monkeypatch.setattr(soft_labels, "averaged_softmax", train)
    return runs


def images(value=0):
    pixels = torch.full((20, 4, 4, 1), value, dtype=torch.uint8)
    return ImageSet(
        MemoryImages(pixels), np.arange(20) % 3, ["a", "b", "c"], [str(i) for i in range(20)], [""] * 20
    )


def test_soft_labels_of_the_same_images_are_made_once(trained, tmp_path):
    first = soft_label_trainer(tmp_path / "cache")(images(), RECIPE, 0)
    again = soft_label_trainer(tmp_path / "cache")(images(), RECIPE, 0)
    assert trained == [(RECIPE, 0)]
    assert np.array_equal(first, again)
    assert first.dtype == again.dtype == np.float32


@pytest.mark.parametrize(
    "other",
    [
        (images(1), RECIPE, 0),
        (images().with_labels(np.zeros(20, dtype=np.int64)), RECIPE, 0),
        (images(), replace(RECIPE, lr=1.0), 0),
        (images(), RECIPE, 1),
    ],
    ids=["pixels", "labels", "recipe", "seed"],
)
def test_soft_labels_of_anything_else_are_made_anew(trained, tmp_path, other):
    train = soft_label_trainer(tmp_path)
    first = train(images(), RECIPE, 0)
    assert not np.array_equal(train(*other), first)
    assert len(trained) == 2
    assert np.array_equal(train(images(), RECIPE, 0), first)


def test_another_machine_makes_its_own(trained, tmp_path, monkeypatch):
    for processor in ("one", "another"):
        monkeypatch.setattr(soft_labels, "machine", lambda processor=processor: {"processor": processor})
        soft_label_trainer(tmp_path)(images(), RECIPE, 0)
    assert len(trained) == 2


def test_without_a_folder_nothing_is_kept():
    assert soft_label_trainer(None) is averaged_softmax


def test_runs_in_one_folder_share_them(trained, tmp_path):
    wanted = DataSettings(noise="classifier:0.4:epochs=1", limit=50)
    settings = Settings(CrossEntropySettings(), data=wanted, budget=BudgetSettings(epochs=1))
    first, again = (jobs.prepare(settings, "digits", cache=tmp_path) for _ in range(2))
    assert len(trained) == 1
    assert np.array_equal(first.train_set.given_labels, again.train_set.given_labels)
    assert len(first.train_set) == 50
    # A lower rate is made of the same soft labels.
    lower = replace(settings, data=replace(wanted, noise="classifier:0.1:epochs=1"))
    jobs.prepare(lower, "digits", cache=tmp_path)
    assert len(trained) == 1
