from __future__ import annotations

import io

import pandas as pd
import pytest
from PIL import Image

from labelmend.data import load, load_unlabelled, splits_of
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


@pytest.mark.parametrize(
    "table", ["name,text\na,animals\nb,birds\n", "author,year\nme,2024\n", "id,licence\nCC,free\n"]
)
def test_metadata_of_something_else_is_passed_over(tmp_path, save_image, table):
    for part in ("train/", "test/", ""):
        folder = tmp_path / ("flat" if part == "" else "divided")
        save_image(folder / part / "a/1.png", 1)
        save_image(folder / part / "b/1.png", 2)
        (folder / part / "metadata.csv").write_text(table)
    (tmp_path / "divided/metadata.csv").write_text(table)
    for folder in ("flat", "divided"):
        images = load(tmp_path / folder)
        assert (images.class_names, len(images)) == (["a", "b"], 2)
        assert any("metadata.csv" in note and "is not read" in note for note in images.notes), folder
    assert splits_of(tmp_path / "flat") == []
    assert set(splits_of(tmp_path / "divided")) == {"train", "test"}


def test_metadata_that_leads_to_images_by_another_name_is_read(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/2.png")
    (tmp_path / "metadata.csv").write_text("id,label\n1,x\n2,y\n")
    assert load(tmp_path).class_names == ["x", "y"]


@pytest.mark.parametrize("asked", [{"image_column": "picture"}, {"label_column": "kind"}])
def test_metadata_of_which_a_column_is_asked_for_is_read(tmp_path, save_image, asked):
    save_image(tmp_path / "a/1.png", 1)
    save_image(tmp_path / "b/2.png", 2)
    (tmp_path / "metadata.csv").write_text("picture,kind,label\na/1.png,u,x\nb/2.png,v,y\n")
    if "image_column" in asked:
        assert load(tmp_path, **asked).class_names == ["x", "y"]
    else:
        with pytest.raises(DataError, match="there is no image column"):
            load(tmp_path, **asked)


def test_splits_of_a_parquet_table_with_the_images_in_it(tmp_path, save_image):
    save_image(tmp_path / "a/1.png", 1)
    frame = pd.DataFrame({"image": [png(1), png(2)], "label": ["x", "y"], "split": ["train", "val"]})
    frame.to_parquet(tmp_path / "metadata.parquet")
    assert splits_of(tmp_path) == ["train", "val"]


def test_metadata_whose_files_are_missing_is_refused(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\na/9.png,x\n")
    with pytest.raises(DataError, match=r"there is no file 'a/9\.png'"):
        load(tmp_path)


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


def test_one_folder_of_images_beside_tables_that_cannot_be_told_apart_is_no_class(tmp_path, save_image):
    for i in range(4):
        save_image(tmp_path / f"images/{i}.png", i)
    labels = "path,label\n" + "".join(f"images/{i}.png,{'ab'[i % 2]}\n" for i in range(4))
    (tmp_path / "first.csv").write_text(labels)
    assert load(tmp_path).class_names == ["a", "b"]
    (tmp_path / "second.csv").write_text(labels.replace("label", "kind"))
    told = r"would be the only class.*; or give one of its tables as the source: .*first\.csv.*second\.csv"
    with pytest.raises(DataError, match=told):
        load(tmp_path)
    assert load(tmp_path / "first.csv").class_names == ["a", "b"]


def test_one_folder_of_images_without_a_table_is_one_class(tmp_path, save_image):
    save_image(tmp_path / "images/1.png")
    assert len(load_unlabelled(tmp_path, image_size=6, channels=3)) == 1
