"""Data sets of the Hugging Face package are read as the tables that they are."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data import load, load_test, load_unlabelled, splits_of
from labelmend.errors import DataError

datasets = pytest.importorskip("datasets")

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
FEATURES = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["dog", "cat", "none"])}


def made(rows=range(6), **more):
    columns = {
        "picture": [Image.fromarray(PIXELS[row]) for row in rows],
        "kind": [row % 2 for row in rows],
        **more,
    }
    features = datasets.Features({**FEATURES, **{name: datasets.Value("string") for name in more}})
    return datasets.Dataset.from_dict(columns, features=features)


def pixels(found):
    return found.images.gather(torch.arange(len(found))).numpy()


def test_columns_are_found_by_their_types_and_classes_have_their_names():
    with pytest.warns(UserWarning, match=r"1 of the 3 classes have no image \(none\)"):
        found = load(made())
    assert found.class_names == ["dog", "cat", "none"]
    assert found.given_labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert np.array_equal(pixels(found), PIXELS)


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_it_is_read_in_the_order_that_it_has_been_given_and_whatever_it_returns():
    chosen = made().select([5, 2, 4, 1]).with_format("torch")
    found = load(chosen)
    assert found.given_labels.tolist() == [1, 0, 0, 1]
    assert np.array_equal(pixels(found), PIXELS[[5, 2, 4, 1]])


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_a_dictionary_of_splits():
    both = datasets.DatasetDict({"train": made(range(4)), "validation": made(range(4, 6))})
    assert np.array_equal(pixels(load_unlabelled(both, image_size=8, channels=3)), PIXELS)
    assert splits_of(both) == ["train", "val"]
    train = load(both)
    assert len(train) == 4
    assert np.array_equal(pixels(load_test(both, like=train)), PIXELS[4:])
    with pytest.raises(DataError, match="there is no split 'extra'; choose one with --split: train, val"):
        load(both, split="extra")


def test_splits_that_are_one_by_their_names_are_refused():
    both = datasets.DatasetDict({"train": made(range(4)), "training": made(range(4, 6))})
    told = "'train' and 'training' are both read as the split 'train'; leave one out, or join them"
    for call in (load, splits_of):
        with pytest.raises(DataError, match=told):
            call(both)


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_a_split_is_told_by_a_column_of_any_usual_name():
    rows = made(phase=["train"] * 4 + ["test"] * 2)
    assert set(splits_of(rows)) == {"train", "test"}
    train = load(rows)
    assert len(train) == 4
    assert np.array_equal(pixels(load_test(rows, like=train)), PIXELS[4:])


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_a_column_may_say_the_split_and_others_the_label_and_the_group():
    rows = made(split=["train"] * 4 + ["test"] * 2, other=list("aabbab"), who=list("xxyyzz"))
    assert splits_of(rows) == ["test", "train"] or splits_of(rows) == ["train", "test"]
    found = load(rows, label_column="other", group_column="who")
    assert found.class_names == ["a", "b"]
    assert found.groups == ["x", "x", "y", "y"]


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_images_that_are_files(tmp_path):
    for row, values in enumerate(PIXELS):
        (tmp_path / "cd"[row % 2]).mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / "cd"[row % 2] / f"{row}.png")
    rows = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    found = load(rows)
    assert (found.class_names, len(found)) == (["c", "d"], 6)
    assert np.array_equal(pixels(found), PIXELS[[0, 2, 4, 1, 3, 5]])
    assert len(load_unlabelled(rows["train"], image_size=8, channels=3)) == 6


def test_images_alone():
    found = load_unlabelled(made().remove_columns("kind"), image_size=8, channels=3)
    assert np.array_equal(pixels(found), PIXELS)


def test_what_is_streamed_is_refused():
    with pytest.raises(DataError, match="IterableDataset, which is streamed; load the data set without"):
        load(made().to_iterable_dataset())


def test_what_save_to_disk_wrote_says_how_it_is_read(tmp_path):
    made().save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": made(), "test": made()}).save_to_disk(tmp_path / "two")
    for folder in ("one", "two"):
        with pytest.raises(DataError, match=r"was written by save_to_disk of datasets; .*load_from_disk"):
            load(tmp_path / folder)


def test_encoded_bytes_stay_as_they_are():
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(stream, "JPEG")
    rows = made().map(lambda row: {"picture": {"bytes": stream.getvalue(), "path": None}})
    decoded = np.asarray(Image.open(io.BytesIO(stream.getvalue())))
    with pytest.warns(UserWarning):
        found = load(rows)
    assert (pixels(found) == decoded).all()


@pytest.mark.filterwarnings("ignore:.*classes have no image")
@pytest.mark.parametrize("to_parquet", [False, True])
@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (datasets.Array3D((8, 8, 3), "uint8"), PIXELS),
        (datasets.Array3D((3, 8, 8), "uint8"), PIXELS.transpose(0, 3, 1, 2)),
        (datasets.Array2D((8, 8), "uint8"), PIXELS[..., 0]),
    ],
)
def test_columns_of_arrays_are_pictures(kind, cells, to_parquet, tmp_path):
    features = datasets.Features({"values": kind, "kind": FEATURES["kind"]})
    columns = {"values": cells.tolist(), "kind": [row % 2 for row in range(6)]}
    made_of_arrays = datasets.Dataset.from_dict(columns, features=features)
    if to_parquet:
        made_of_arrays.to_parquet(tmp_path / "arrays.parquet")
    found = load(tmp_path / "arrays.parquet" if to_parquet else made_of_arrays)
    assert found.class_names == ["dog", "cat", "none"]
    expected = PIXELS[..., :1] if cells.ndim == 3 else PIXELS
    assert np.array_equal(pixels(found), expected)


def test_lists_of_pixels_under_a_usual_name_are_pictures():
    found = load(datasets.Dataset.from_dict({"image": PIXELS.tolist(), "label": ["a", "b"] * 3}))
    assert np.array_equal(pixels(found), PIXELS)


@pytest.mark.parametrize(
    "cell", [[1, 2, 3], [[1, 2], [3]], [["a", "b"]], [], [{"bytes": b"", "path": "a.png"}]]
)
def test_lists_that_are_no_pictures_are_named(cell):
    table = datasets.Dataset.from_dict({"image": [cell] * 2, "label": ["a", "b"]})
    with pytest.raises(
        DataError, match="row 1: the row holds a list that is no image; an image is a file name"
    ):
        load(table)


@pytest.mark.filterwarnings("ignore:.*classes have no image")
def test_lists_of_one_class_have_the_names_of_the_classes():
    features = datasets.Features({**FEATURES, "kind": datasets.Sequence(FEATURES["kind"])})
    columns = {"picture": [Image.fromarray(PIXELS[row]) for row in range(6)]}
    single = datasets.Dataset.from_dict(
        {**columns, "kind": [[row % 2] for row in range(6)]}, features=features
    )
    found = load(single)
    assert found.class_names == ["dog", "cat", "none"]
    assert found.given_labels.tolist() == [0, 1, 0, 1, 0, 1]
    several = datasets.Dataset.from_dict({**columns, "kind": [[0, 1]] * 6}, features=features)
    with pytest.raises(DataError, match=r"row 1, column 'kind': the label is \[0, 1\] \(list\)"):
        load(several)
