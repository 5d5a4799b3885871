from __future__ import annotations

import pandas as pd
import pytest

from labelmend.data.summary import summarise
from labelmend.errors import DataError


def test_digits():
    found = summarise("digits")
    assert {split: int(counts.sum()) for split, counts in found.class_counts.items()} == {
        "train": 1297,
        "test": 500,
    }
    assert found.class_names == [str(i) for i in range(10)]
    assert found.noise_rate == 0
    assert found.problems == ()


def test_a_manifest_with_true_labels(tmp_path, save_image):
    for i in range(4):
        save_image(tmp_path / f"{i}.png")
    columns = {"file_name": [f"{i}.png" for i in range(4)], "label": list("abab"), "true_label": list("abaa")}
    pd.DataFrame(columns).to_csv(tmp_path / "m.csv", index=False)
    found = summarise(str(tmp_path / "m.csv"))
    assert found.noise_rate == 0.25
    assert found.class_counts["all"].tolist() == [2, 2]


def test_problems_of_a_benchmark_are_returned_and_those_of_a_path_raised(tmp_path):
    found = summarise("clothing1m", root=tmp_path)
    assert found.folder is None
    assert "not found" in found.problems[0]
    assert found.home in found.problems[0]
    with pytest.raises(DataError, match="no class folders"):
        summarise(str(tmp_path))


def test_partial_benchmark(tmp_path, save_image):
    for label in range(10):
        save_image(tmp_path / "training" / f"{label}_1.jpg")
    found = summarise("animal10n", root=tmp_path)
    assert found.class_counts["train"].tolist() == [1] * 10
    assert "test" not in found.class_counts
    assert found.noise_rate is None
    assert found.notes == ("the train split has 10 images, the official one 50,000",)
    assert len(found.problems) == 1


def test_a_test_class_that_training_lacks_is_counted_and_said(tmp_path, save_image):
    for name in ("train/cat/1", "train/dog/2", "test/Cat/3", "test/dog/4", "test/owl/5", "test/owl/6"):
        save_image(tmp_path / f"{name}.png")
    found = summarise(str(tmp_path))
    assert found.class_names == ["cat", "dog", "Cat", "owl"]
    assert found.class_counts["train"].tolist() == [1, 1, 0, 0]
    assert found.class_counts["test"].tolist() == [0, 1, 1, 2]
    (note,) = found.notes
    assert "the test split has classes that training lacks" in note
    assert "Cat (1), owl (2), first test/Cat/3.png" in note
    assert "--test none" in note


def test_a_test_split_of_one_unknown_class_is_taken_for_unlabelled(tmp_path, save_image):
    for name in ("train/cat/1", "train/dog/2", "test/unknown/3"):
        save_image(tmp_path / f"{name}.png")
    (note,) = summarise(str(tmp_path)).notes
    assert note == "the test split is taken for unlabelled, as training lacks its only class, 'unknown'"
