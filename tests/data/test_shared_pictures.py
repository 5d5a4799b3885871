"""Test images that are trained on are found."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.data import load, load_test
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.data.shared_pictures import shared_pictures
from labelmend.errors import LabelmendWarning


def image_set(values, ids=None):
    pixels = torch.zeros(len(values), 4, 4, 3, dtype=torch.uint8)
    pixels[:, 1, 2, 0] = torch.tensor(values, dtype=torch.uint8)
    ids = ids or [str(row) for row in range(len(values))]
    return ImageSet(MemoryImages(pixels), np.zeros(len(values), dtype=np.int64), ["a"], ids, [""] * len(ids))


def test_equal_pixels_are_found():
    assert shared_pictures(image_set([9, 7, 8, 7]), image_set([1, 7, 2, 7])) == [(1, 1), (3, 1)]
    assert shared_pictures(image_set([9]), image_set([1, 2])) == []
    other = replace(image_set([9]), images=MemoryImages(torch.zeros(1, 8, 8, 3, dtype=torch.uint8)))
    assert shared_pictures(other, image_set([0])) == []


@pytest.fixture
def tables(tmp_path, save_image):
    for value in range(6):
        save_image(tmp_path / f"{value}.png", value * 10)
    rows = [f"{value}.png,{'ab'[value % 2]}" for value in range(6)]
    for name, first, last in (("train", 0, 4), ("other", 4, 6), ("both", 2, 6)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["file_name,label", *rows[first:last]]))
    return tmp_path


@pytest.mark.parametrize("memory_limit", [10**6, 0])
def test_a_test_set_that_is_trained_on_is_said(tables, memory_limit):
    train = load(tables / "train.csv", memory_limit=memory_limit)
    with pytest.warns(LabelmendWarning) as said:
        load_test(tables / "both.csv", like=train, memory_limit=memory_limit)
    (message,) = (str(entry.message) for entry in said)
    assert "both.csv: test images that are trained on too: 2 of 4, first 2.png (in training 2.png)" in message
    assert "--test SOURCE" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_test(tables / "other.csv", like=train, memory_limit=memory_limit)
        load_test("digits", like=load("digits"))


def test_images_that_differ_in_one_value_are_not_equal():
    train = image_set([0, 0, 0])
    pixels = torch.zeros(3, 32, 32, 3, dtype=torch.uint8)
    pixels[0, 0, 0, 1] = pixels[1, 31, 31, 2] = 1
    test = replace(train, images=MemoryImages(pixels))
    assert shared_pictures(test, replace(train, images=MemoryImages(torch.zeros_like(pixels)))) == [(2, 0)]
