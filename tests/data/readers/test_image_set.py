from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from labelmend.data import ImageSet, MemoryImages, Skipped, Subset, load, load_test, splits_of
from labelmend.data.decode import DecodedOnDemand
from labelmend.data.resize import Resized
from labelmend.errors import DataError, LabelmendWarning

Y = [0, 1, 0, 1]


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def full():
    """Four images of 10 x 10, with every column an ImageSet can have."""
    return ImageSet(
        MemoryImages(torch.from_numpy(random_images(4, 10, 10, 3))),
        np.array([1, 0, 0, 1]),
        ["b", "a"],
        list("pqrs"),
        ["p.png", "", "", "s.png"],
        true_labels=np.array([1, 1, 0, 1]),
        trusted=np.array([True, False, False, False]),
        skipped=[Skipped("x.png", "broken")],
        name="four",
        mirror_safe=False,
    )


def test_image_set_as_source():
    first = load((random_images(4, 10, 10), ["a", "b", "b", "a"]))
    again = load(first)
    assert again.images is first.images
    np.testing.assert_array_equal(again.given_labels, first.given_labels)
    assert load(first, limit=3).ids == ["0", "1", "2"]
    assert load(first, image_size=20).images.shape == (4, 20, 20, 1)
    big = load((random_images(4, 100, 100), Y), image_size=100)
    assert load(big).images is big.images  # an ImageSet keeps its size
    test = load_test(first, like=load((random_images(4, 6, 6, 3), ["a", "b", "c", "c"])))
    assert test.images.shape == (4, 6, 6, 3)
    assert test.class_names == ["a", "b", "c"]


def test_a_set_passes_straight_through(full):
    assert load(full) is full
    assert load(full, limit=4, image_size=10, class_names=["b", "a"], memory_limit=0) is full
    assert load_test(full, like=full) is full
    assert splits_of(full) == []
    nameless = load(replace(full, name=""))
    assert nameless.name == "images"
    assert nameless.given_labels is full.given_labels
    assert nameless.images is full.images


def same_but_pixels(found, full, rows):
    np.testing.assert_array_equal(found.given_labels, full.given_labels[rows])
    np.testing.assert_array_equal(found.true_labels, full.true_labels[rows])
    np.testing.assert_array_equal(found.trusted, full.trusted[rows])
    assert found.ids == [full.ids[row] for row in rows]
    assert found.paths == [full.paths[row] for row in rows]
    assert found.class_names == full.class_names
    assert found.skipped == full.skipped
    assert found.mirror_safe is False
    assert found.name == "four"


def test_a_limit_copies_no_pixels(full):
    found = load(full, limit=3)
    same_but_pixels(found, full, [0, 1, 2])
    assert isinstance(found.images, Subset)
    assert found.images.images is full.images


@pytest.mark.parametrize("memory_limit", [10**6, 0])
def test_only_pixels_change_when_resized(full, memory_limit):
    """As if the images had been arrays in the first place, in memory or on demand."""
    asked = []
    found = load(full, image_size=6, memory_limit=memory_limit, progress=lambda *counts: asked.append(counts))
    same_but_pixels(found, full, [0, 1, 2, 3])
    arrays = load((full.images.pixels.numpy(), Y), image_size=6)
    assert torch.equal(found.images.gather(torch.arange(4)), arrays.images.gather(torch.arange(4)))
    assert isinstance(found.images, MemoryImages if memory_limit else Resized)
    assert asked == ([(4, 4)] if memory_limit else [])
    grey = load_test(full, like=load((random_images(4, 6, 6), ["b", "a", "b", "a"]), class_names=["b", "a"]))
    same_but_pixels(grey, full, [0, 1, 2, 3])
    assert grey.images.shape == (4, 6, 6, 1)


def test_images_on_demand_stay_on_demand(tmp_path, save_image):
    for i in range(4):
        save_image(tmp_path / "ab"[i % 2] / f"{i}.png", i * 40)
    lazy = load(tmp_path, memory_limit=0)
    assert isinstance(load(lazy, limit=3).images.images, DecodedOnDemand)
    assert load(lazy).images is lazy.images
    assert load(lazy, image_size=4).images.shape == (4, 4, 4, 3)


def test_labels_from_a_file_and_other_classes(full, tmp_path):
    pd.DataFrame({"id": list("srqp"), "label": list("aabb")}).to_csv(tmp_path / "l.csv", index=False)
    found = load(full, labels=tmp_path / "l.csv")
    assert found.given_labels.tolist() == [0, 0, 1, 1]
    assert found.images is full.images
    same_but_pixels(found.with_labels(full.given_labels), full, [0, 1, 2, 3])
    with pytest.warns(LabelmendWarning, match=r"1 of the 3 classes have no image \(c\)"):
        sorted_by_name = load(full, class_names=["a", "b", "c"])
    assert sorted_by_name.given_labels.tolist() == [0, 1, 1, 0]
    assert sorted_by_name.true_labels.tolist() == [0, 0, 1, 0]
    assert sorted_by_name.images is full.images


def test_faults(full):
    with pytest.raises(DataError, match="four: --split is 'test', but this source has no splits"):
        load(full, split="test")
    with pytest.raises(DataError, match="four, row 2: there is no class 2"):
        load(full.with_labels(np.array([0, 2, 1, 0])))
    with pytest.raises(DataError, match="only 1 readable image"):
        load(full, limit=1)
    with pytest.raises(DataError, match="all images are of one class, 'b'"):
        load(full.with_labels(np.zeros(4)))
    with pytest.raises(DataError, match="two classes have the same name"):
        load(replace(full, class_names=["b", "b"]))
    with pytest.raises(DataError, match="class 'a' is not one of"):
        load(full, class_names=["b", "c"])
    with pytest.warns(LabelmendWarning, match="have no image"):
        load(replace(full, class_names=["b", "a", "c"]))
