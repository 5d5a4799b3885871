from __future__ import annotations

import numpy as np
import pytest

from labelmend.data import load, load_own_test, load_unlabelled, splits_of
from labelmend.errors import DataError

Y = [0, 1, 0, 1]


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_npz(tmp_path):
    x = random_images(5, 8, 8, 3)
    names = np.array(["zebra", "ant"])
    np.savez(
        tmp_path / "a.npz",
        images=x,
        labels=np.array([[0], [1], [1], [0], [1]]),
        class_names=names,
        ids=np.array(["p", "q", "r", "s", "t"]),
        true_labels=np.array([0, 0, 1, 0, 1]),
        trusted=np.array([True, False, False, False, False]),
    )
    images = load(tmp_path / "a.npz")
    assert images.class_names == ["zebra", "ant"]
    assert images.given_labels.tolist() == [0, 1, 1, 0, 1]
    assert images.true_labels.tolist() == [0, 0, 1, 0, 1]
    assert images.trusted.tolist() == [True, False, False, False, False]
    assert images.ids == ["p", "q", "r", "s", "t"]
    assert splits_of(tmp_path / "a.npz") == []


@pytest.mark.parametrize(
    ("image_key", "label_key"), [("{}_images", "{}_labels"), ("x_{}", "y_{}"), ("{}_x", "{}_y")]
)
def test_npz_with_splits(tmp_path, image_key, label_key):
    arrays = {}
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        arrays[image_key.format(split)] = random_images(count, 8, 8)
        arrays[label_key.format(split)] = np.arange(count) % 2
    np.savez(tmp_path / "a.npz", **arrays)
    train = load(tmp_path / "a.npz")
    assert len(train) == 4
    assert splits_of(tmp_path / "a.npz") == ["train", "val", "test"]
    assert len(load_own_test(tmp_path / "a.npz", like=train)) == 3
    assert len(load(tmp_path / "a.npz", split="valid")) == 2


def test_npz_with_a_test_part_only(tmp_path):
    np.savez(tmp_path / "a.npz", X=random_images(4, 8, 8), y=Y, X_test=random_images(2, 8, 8), y_test=[0, 1])
    train = load(tmp_path / "a.npz")
    assert len(train) == 4
    assert len(load_own_test(tmp_path / "a.npz", like=train)) == 2


def test_npz_faults(tmp_path):
    np.savez(tmp_path / "none.npz", foo=np.zeros(3))
    with pytest.raises(DataError, match=r"no array of images .*it has foo"):
        load(tmp_path / "none.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="of type object, but only arrays of numbers or strings"):
        load(tmp_path / "objects.npz")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(DataError, match="not readable as"):
        load(tmp_path / "junk.npz")
    np.savez(tmp_path / "short.npz", x=random_images(3, 8, 8), y=[0, 1])
    with pytest.raises(DataError, match="3 images, but 2 labels"):
        load(tmp_path / "short.npz")


def test_images_to_classify_are_those_of_the_test_split(tmp_path):
    x = random_images(6, 8, 8)
    np.savez(tmp_path / "a.npz", X=x[:4], y=Y, X_test=x[4:], y_test=[0, 1])
    found = load_unlabelled(tmp_path / "a.npz", image_size=8, channels=1)
    np.testing.assert_array_equal(found.images.pixels.numpy()[..., 0], x[4:])
