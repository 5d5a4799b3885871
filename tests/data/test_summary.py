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
    found = summarise("clothing1m", tmp_path)
    assert found.folder is None
    assert "not found" in found.problems[0]
    assert found.home in found.problems[0]
    with pytest.raises(DataError, match="no class folders"):
        summarise(str(tmp_path))


def test_partial_benchmark(tmp_path, save_image):
    for label in range(10):
        save_image(tmp_path / "training" / f"{label}_1.jpg")
    found = summarise("animal10n", tmp_path)
    assert found.class_counts["train"].tolist() == [1] * 10
    assert "test" not in found.class_counts
    assert found.noise_rate is None
    assert found.notes == ("the train split has 10 images, the official one 50,000",)
    assert len(found.problems) == 1
