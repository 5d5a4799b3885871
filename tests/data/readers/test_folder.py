from __future__ import annotations

import io

import pandas as pd
import pytest
from PIL import Image

from labelmend.data import load, splits_of
from labelmend.errors import DataError


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 6), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def test_metadata_goes_before_class_folders(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    pd.DataFrame(
        {"file_name": ["a/1.png", "b/1.png"], "label": ["x", "y"], "split": ["train", "train"]}
    ).to_csv(tmp_path / "metadata.csv", index=False)
    assert load(tmp_path).class_names == ["x", "y"]
    assert splits_of(tmp_path) == ["train"]


def test_two_folders_for_one_split(tmp_path, save_image):
    for folder in ("train", "training"):
        save_image(tmp_path / folder / "a/1.png")
    with pytest.raises(DataError, match="train and training are both its train split"):
        load(tmp_path)


def test_parquet_in_split_folders_and_without_splits(tmp_path, red):
    for place, values in (("s/train", [1, 2]), ("s/test", [3]), ("flat", [4, 5])):
        (tmp_path / place).mkdir(parents=True)
        frame = pd.DataFrame({"image": [png(v) for v in values], "label": ["ab"[v % 2] for v in values]})
        frame.to_parquet(tmp_path / place / "part-0.parquet")
    assert red(load(tmp_path / "s").images) == [1, 2]
    assert splits_of(tmp_path / "s") == ["train", "test"] or splits_of(tmp_path / "s") == ["test", "train"]
    assert red(load(tmp_path / "flat").images) == [4, 5]
    assert splits_of(tmp_path / "flat") == []
    with pytest.raises(DataError, match="has no splits"):
        load(tmp_path / "flat", split="test")


def test_training_folder_alone_is_a_split(tmp_path, save_image):
    save_image(tmp_path / "train/a/1.png")
    save_image(tmp_path / "train/b/1.png")
    assert load(tmp_path).class_names == ["a", "b"]
