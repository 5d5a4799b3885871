"""What is said of a test set whose classes are not those of training."""

from __future__ import annotations

import pytest

from labelmend.data import load, load_own_test, load_test
from labelmend.errors import DataError


def test_a_class_that_only_the_test_split_has_names_its_image_and_what_to_do(tmp_path, save_image):
    for name in ("train/cat/1", "train/dog/2", "test/Cat/3", "test/dog/4"):
        save_image(tmp_path / f"{name}.png")
    with pytest.raises(DataError) as error:
        load_own_test(tmp_path, like=load(tmp_path))
    message = str(error.value)
    assert "test/Cat/3.png of the test set: class 'Cat' is not one of the 2 classes (cat, dog)" in message
    assert "give the class an image to train on" in message
    assert "--test none" in message
    assert "\n" not in message


def test_numbers_of_a_test_set_that_are_taken_for_indices_are_said_to_be(tmp_path, save_image):
    for name in ("train/cat/1", "train/dog/2", "test/0/3", "test/1/4", "named/cat/5"):
        save_image(tmp_path / f"{name}.png")
    like = load(tmp_path / "train")
    found = load_test(tmp_path / "test", like=like)
    assert found.given_labels.tolist() == [0, 1]
    assert any("test set: labels are taken for class indices (0 is 'cat')" in note for note in found.notes)
    assert not any("indices" in note for note in load_test(tmp_path / "named", like=like).notes)
