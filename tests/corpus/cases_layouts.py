"""Folders whose layout could be read in two ways: what is assumed is said, or it stops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.build import png, put, write
from corpus.cases_splits import SPLIT
from corpus.registry import Source, case


def divided(name: str, train: str, test: str, classes=("cat", "dog")):
    """Two folders of classes, the second with those given."""

    def make(folder):
        put(folder, f"{train}/cat/1.png", f"{train}/dog/2.png", *(f"{test}/{c}/3.png" for c in classes))
        return Source(folder)

    make.__name__ = f"splits_called_{name}"
    return make


for name, train, test in (
    ("pets_train", "pets_train", "pets_test"),
    ("trainPets", "TrainPets", "TestPets"),
    ("train_v2", "train_v2", "val_v2"),
    ("my_training_set", "my training set", "my test set"),
):
    case(**SPLIT, notes=[rf"splits: .*{train} is train.*--split none"])(divided(name, train, test))
case(classes=["cat", "dog"], test=("cat",))(
    divided("train_of_more_classes", "pets_train", "pets_test", ("cat",))
)
case(error="entrainement, essai hold the same folders .*--split NAME, .*--split none")(
    divided("entrainement", "entrainement", "essai", ("cat",))
)
case(error="cats_train, dogs_test hold the same folders")(
    divided("of_two_sets", "cats_train", "dogs_test", ("cat", "dog"))
)


@case(classes=["boat", "car"], notes=[r"classes are the outer folders \(boat, car\), of which those in them"])
def classes_that_hold_kinds(folder):
    return Source(put(folder, "boat/ferry/1.png", "boat/yacht/2.png", "car/van/3.png", "car/bus/4.png"))


@case(
    labels=["cat", "cat", "dog"], notes=["cat/train, cat/test are read as parts|cat/test, cat/train are read"]
)
def splits_within_one_class_only(folder):
    return Source(put(folder, "cat/train/1.png", "cat/test/2.png", "dog/3.png"))


@case(labels=["cat", "dog"], notes=["cat/val, dog/test are read as parts of their class, not as splits"])
def splits_within_classes_without_train(folder):
    return Source(put(folder, "cat/val/1.png", "dog/test/2.png"))


@case(error="cat/train and training are both one split")
def a_class_with_two_training_folders(folder):
    return Source(put(folder, "cat/train/1.png", "cat/training/2.png", "dog/train/3.png"))


@case(labels=["cat", "dog"], notes=["labels are those of the folders; labels.csv, list.json is not read"])
def tables_beside_class_folders(folder):
    put(folder, "cat/1.png", "dog/2.png")
    write(folder / "list.json", "{}")
    write(folder / "labels.csv", "file_name,label\ncat/1.png,dog\ndog/2.png,cat\n")
    return Source(folder)


def tables(folder, **rows: str):
    for name, lines in rows.items():
        write(folder / f"{name}.csv", "file_name,label\n" + lines)
    return Source(folder)


@case(**SPLIT, notes=["labels are those of train.csv"])
def tables_of_splits_beside_images(folder):
    put(folder, *(f"images/{n}.png" for n in (1, 2, 3, 4)))
    return tables(folder, train="1.png,cat\n2.png,dog\n", test="3.png,cat\n4.png,dog\n")


@case(classes=["cat", "dog"], values=[30, 40], test=())
def the_table_of_a_split_that_is_chosen(folder):
    put(folder, *(f"images/{n}.png" for n in (1, 2, 3, 4)))
    made = tables(folder, train="1.png,cat\n2.png,dog\n", test="3.png,cat\n4.png,dog\n")
    return Source(made.data, {"split": "test"})


@case(classes=["cat", "dog"], values=[10, 20], test=("dog",), notes=["labels are those of train_labels.csv"])
def tables_of_splits_beside_a_flat_train_folder(folder):
    put(folder, *(f"train/{n}.png" for n in (1, 2, 3)))
    return tables(folder, train_labels="1.png,cat\n2.png,dog\n", valLabels="3.png,dog\n")


@case(
    classes=["cat", "dog"], values=[10, 20], test=(), notes=["test split is not scored, as it has no labels"]
)
def a_table_of_the_test_split_without_labels(folder):
    put(folder, *(f"images/{n}.png" for n in (1, 2, 3)))
    write(folder / "test.csv", "file_name\n3.png\n")
    return tables(folder, train="1.png,cat\n2.png,dog\n")


@case(error="there is no split 'val'; choose one with --split: test, train")
def a_split_that_no_table_has(folder):
    put(folder, "images/1.png", "images/2.png")
    made = tables(folder, train="1.png,cat\n", test="2.png,dog\n")
    return Source(made.data, {"split": "val"})


@case(error="no class folders with images.*; or give one of its tables as the source: a.csv, b.csv")
def several_tables_beside_images(folder):
    put(folder, "1.png", "2.png")
    return tables(folder, a="1.png,cat\n2.png,dog\n", b="1.png,dog\n2.png,cat\n")


@case(
    **SPLIT,
    notes=["splits are those of the folders in column 'file_name': train 2, test 2 rows .*none takes all"],
)
def one_metadata_table_above_two_splits(folder):
    put(folder, "train/1.png", "train/2.png", "test/3.png", "test/4.png")
    return tables(folder, metadata="train/1.png,cat\ntrain/2.png,dog\ntest/3.png,cat\ntest/4.png,dog\n")


@case(**SPLIT)
def one_table_of_labels_above_two_splits(folder):
    put(folder, "train/1.png", "train/2.png", "test/3.png", "test/4.png")
    return tables(folder, labels="train/1.png,cat\ntrain/2.png,dog\ntest/3.png,cat\ntest/4.png,dog\n")


@case(values=[10, 20, 30, 40], test=())
def one_table_of_two_splits_read_whole(folder):
    put(folder, "train/1.png", "train/2.png", "test/3.png", "test/4.png")
    made = tables(folder, t="train/1.png,cat\ntrain/2.png,dog\ntest/3.png,cat\ntest/4.png,dog\n")
    return Source(made.data / "t.csv", {"split": "none"})


@case(labels=["test", "train", "car"], test=())
def paths_of_classes_called_train_and_test(folder):
    put(folder, "test/1.png", "train/2.png", "car/3.png")
    made = tables(folder, t="test/1.png,test\ntrain/2.png,train\ncar/3.png,car\n")
    return Source(made.data / "t.csv")


@case(**SPLIT)
def paths_below_a_folder_called_test(folder):
    put(folder / "test", "train/1.png", "train/2.png", "test/3.png", "test/4.png")
    lines = "test/train/1.png,cat\ntest/train/2.png,dog\ntest/test/3.png,cat\ntest/test/4.png,dog\n"
    return Source(tables(folder, t=lines).data / "t.csv")


def shard(path, values, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array([{"bytes": png(value), "path": None} for value in values])
    pq.write_table(pa.table({"image": images, **columns}), path)


@case(
    labels=["a", "b", "a", "b"],
    notes=[r"1 of its files are not there, first data/train-00001-of-00003.parquet"],
)
def hugging_face_with_a_missing_shard(folder):
    for part in (0, 2):
        shard(folder / f"data/train-0000{part}-of-00003.parquet", [part, part + 5], label=["a", "b"])
    return Source(folder)


@case(labels=["a", "b"], values=[1, 2], test=("b",))
def a_shard_with_a_column_of_splits(folder):
    shard(folder / "all.parquet", [1, 2, 3], label=["a", "b", "b"], split=["train", "train", "test"])
    return Source(folder)


@case(labels=["a", "b"], values=[1, 2], test=("b",), notes=["splits are those of column 'is_test'"])
def a_shard_with_a_flag_for_the_test(folder):
    shard(folder / "all.parquet", [1, 2, 3], label=["a", "b", "b"], is_test=np.array([False, False, True]))
    return Source(folder)
