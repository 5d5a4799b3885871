from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from labelmend.data import load, load_own_test, splits_of
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.benchmarks.digits import Digits
from labelmend.errors import DataError


def test_split_is_disjoint_complete_stratified_and_fixed():
    train = load("digits")
    test = load_own_test("digits", like=train)
    assert (len(train), len(test)) == (1297, 500)
    assert train.images.shape == (1297, 8, 8, 1)
    assert sorted(map(int, train.ids + test.ids)) == list(range(1797))
    share = np.bincount(test.given_labels) / np.bincount(load_digits().target)
    assert np.abs(share - 500 / 1797).max() < 0.005
    assert load("digits").ids == train.ids
    assert test.ids[:3] == ["0", "1", "2"]


def test_pixels_labels_and_flags():
    train = load("digits", image_size=None)
    data = load_digits()
    rows = np.array([int(i) for i in train.ids])
    np.testing.assert_array_equal(train.given_labels, data.target[rows])
    np.testing.assert_array_equal(train.true_labels, data.target[rows])
    np.testing.assert_array_equal(
        train.images.pixels.numpy()[..., 0], np.rint(data.images[rows] * 255 / 16).astype(np.uint8)
    )
    assert not train.mirror_safe
    assert train.class_names == [str(i) for i in range(10)]


def test_resized_and_wrong_split():
    assert load("digits", image_size=16, limit=20).images.shape == (20, 16, 16, 1)
    assert splits_of("digits") == ["train", "test"]
    with pytest.raises(DataError, match="no split 'val'"):
        load("digits", split="valid")


def test_needs_no_folder_and_is_always_complete(tmp_path, monkeypatch):
    monkeypatch.delenv("LABELMEND_DATA", raising=False)
    assert load("digits", root=tmp_path / "none").ids == load("digits").ids
    found = BENCHMARKS["digits"].verify(None)
    assert {split: len(listing) for split, listing in found.listings.items()} == Digits.official_counts
    assert (found.folder, found.problems, found.notes, found.noise_rate) == (None, [], [], 0)
