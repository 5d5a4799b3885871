from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelmend.data import load, load_own_test, load_test, load_unlabelled
from labelmend.errors import DataError


@pytest.fixture
def photos(tmp_path, save_image):
    for value in range(4):
        save_image(tmp_path / f"photos/{value}, a.png", value * 10)
    return tmp_path


ROWS = [(f"photos/{value}, a.png", label) for value, label in enumerate(["dog", "cat", "NA", "dog"])]


def write(folder, kind, columns: dict):
    frame = pd.DataFrame(columns)
    path = folder / f"m.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False, encoding="utf-8-sig")
    elif kind == "tsv":
        frame.to_csv(path, index=False, sep="\t")
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("column", ["file_name", "path"])
def test_four_kinds_of_table(photos, kind, column, red):
    path = write(photos, kind, {column: [r[0] for r in ROWS], "label": [r[1] for r in ROWS]})
    images = load(path)
    assert images.class_names == ["NA", "cat", "dog"]  # "NA" is a class, not a missing value
    assert images.given_labels.tolist() == [2, 1, 0, 2]
    assert images.ids == images.paths == [r[0] for r in ROWS]
    assert red(images.images) == [0, 10, 20, 30]
    assert images.true_labels is None
    assert images.trusted is None


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_optional_columns_and_splits(photos, kind):
    columns = {
        "id": ["p", "q", "r", "s"],
        "file_name": [r[0] for r in ROWS],
        "breed": [3, 10, 3, 10],
        "true_label": [3, 3, 3, 10],
        "trusted": [True, False, False, True],
        "split": ["train", "training", "test", "train"],
    }
    path = write(photos, kind, columns)
    train = load(path, label_column="breed")
    assert train.ids == ["p", "q", "s"]
    assert train.class_names == ["3", "10"]
    assert train.given_labels.tolist() == [0, 1, 1]
    assert train.true_labels.tolist() == [0, 0, 1]
    assert train.trusted.tolist() == [True, False, True]
    test = load_own_test(path, like=train, label_column="breed")
    assert test.ids == ["r"]
    assert test.given_labels.tolist() == [0]
    with pytest.raises(DataError, match="no split 'val'"):
        load(path, label_column="breed", split="val")


def test_hugging_face_folder_with_metadata(tmp_path, save_image):
    for split in ("train", "test"):
        for i in range(2):
            save_image(tmp_path / split / f"{i}.png", i)
        lines = [json.dumps({"file_name": f"{i}.png", "label": ["x", "y"][i]}) for i in range(2)]
        (tmp_path / split / "metadata.jsonl").write_text("\n".join(lines))
    train = load(tmp_path)
    assert train.ids == ["0.png", "1.png"]
    assert train.paths == ["train/0.png", "train/1.png"]
    assert len(load_own_test(tmp_path, like=train)) == 2
    flat = load(tmp_path / "train")
    assert flat.given_labels.tolist() == [0, 1]


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 6), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def hf_table(values, labels, names=("zebra", "ant"), column="img"):
    table = pa.table(
        {
            column: pa.array([{"bytes": png(v), "path": f"{v}.png"} for v in values]),
            "label": pa.array(labels, pa.int64()),
        }
    )
    info = {
        "info": {
            "features": {column: {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        }
    }
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})


def test_hugging_face_parquet(tmp_path, red):
    pq.write_table(hf_table([1, 2, 3], [0, 1, 1]), tmp_path / "train.parquet")
    pq.write_table(hf_table([9], [0]), tmp_path / "test.parquet")
    train = load(tmp_path / "train.parquet")
    assert train.class_names == ["zebra", "ant"]  # index order, as the schema has them
    assert train.given_labels.tolist() == [0, 1, 1]
    assert train.ids == ["0", "1", "2"]
    assert train.paths == ["1.png", "2.png", "3.png"]
    assert red(train.images) == [1, 2, 3]
    folder = load(tmp_path)
    assert folder.ids == train.ids
    assert red(load_own_test(tmp_path, like=folder).images) == [9]
    assert load_own_test(tmp_path / "train.parquet", like=train) is None


def test_integers_index_the_schema_names_even_where_names_are_numbers(tmp_path):
    pq.write_table(hf_table([1, 2], [0, 1], names=("1", "0")), tmp_path / "x.parquet")
    images = load(tmp_path / "x.parquet")
    assert images.class_names == ["1", "0"]
    assert images.given_labels.tolist() == [0, 1]


def test_shards_are_read_in_order(tmp_path, red):
    (tmp_path / "data").mkdir()
    pq.write_table(hf_table([3, 4], [0, 1]), tmp_path / "data/train-00001-of-00002.parquet")
    pq.write_table(hf_table([1, 2], [1, 1]), tmp_path / "data/train-00000-of-00002.parquet")
    pq.write_table(hf_table([7], [1]), tmp_path / "data/validation-00000-of-00001.parquet")
    images = load(tmp_path)
    assert red(images.images) == [1, 2, 3, 4]
    assert images.ids == ["0", "1", "2", "3"]
    assert len(load_test(tmp_path, like=images)) == 1


def test_unlabelled_index_of_a_hugging_face_split_is_an_error(tmp_path):
    pq.write_table(hf_table([1, 2], [0, -1]), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="row 2: there is no class -1"):
        load(tmp_path / "x.parquet")


def test_plain_bytes_column(tmp_path, red):
    pd.DataFrame({"image": [png(5), png(6)], "label": ["a", "b"]}).to_parquet(tmp_path / "x.parquet")
    images = load(tmp_path / "x.parquet")
    assert red(images.images) == [5, 6]
    assert images.paths == ["", ""]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_errors_name_the_manifest_the_row_and_the_next_step(photos, kind):
    files = [r[0] for r in ROWS]
    good = {"file_name": files, "label": ["a", "b", "a", "b"]}

    def fails(match, **changes):
        columns = {k: v for k, v in {**good, **changes}.items() if v is not None}
        with pytest.raises(DataError, match=match) as error:
            load(write(photos, kind, columns))
        assert f"m.{kind}" in str(error.value)
        assert "\n" not in str(error.value)

    fails("row 3: there is no file 'nope.png'", file_name=[*files[:2], "nope.png", files[3]])
    fails(
        "no column 'label'; it has file_name, kind; choose with --label-column", label=None, kind=list("abab")
    )
    fails("row 2.*the label is empty", label=["a", "", "a", "b"])
    fails(r"row 4: id '.*0, a\.png' is already that of .*row 1", file_name=[*files[:3], files[0]])
    fails("row 2: id 'x' is already that of .*row 1", id=["x", "x", "y", "z"], file_name=[files[0]] * 4)
    fails("row 1: the id is empty", id=["", "x", "y", "z"])
    fails("no image column", file_name=None, photo=files)
    fails("row 2: trusted is 'maybe'", trusted=["yes", "maybe", "no", ""])
    fails("all images are of one class", label=["a"] * 4)
    fails("row 1: the row names no image", file_name=["", *files[1:]])


def test_rows_of_another_length_and_damaged_files(photos):
    (photos / "m.csv").write_text("file_name,label\nphotos/0, a.png,dog\n")  # the comma is not quoted
    with pytest.raises(DataError, match="row 1: 3 values, but the header has 2 columns"):
        load(photos / "m.csv")
    (photos / "m.jsonl").write_text('{"file_name": "a.png", "label": 1}\n{oops\n')
    with pytest.raises(DataError, match="line 2: not valid JSON"):
        load(photos / "m.jsonl")
    (photos / "m.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load(photos / "m.parquet")
    (photos / "m.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"cannot read '\.xlsx'"):
        load(photos / "m.xlsx")
    (photos / "utf16.csv").write_bytes(b"\xff\xfea")
    with pytest.raises(DataError, match="save it as UTF-8"):
        load(photos / "utf16.csv")


def test_rows_before_a_split_keep_their_numbers(photos):
    columns = {
        "file_name": [r[0] for r in ROWS],
        "label": ["a", "b", "", "b"],
        "split": ["test", "train", "train", "train"],
    }
    with pytest.raises(DataError, match="row 3"):
        load(write(photos, "csv", columns))


def test_unlabelled_columns_do_not_matter_for_prediction(photos):
    path = write(photos, "csv", {"file_name": [r[0] for r in ROWS], "split": ["train"] * 2 + ["test"] * 2})
    found = load_unlabelled(path, image_size=8, channels=3)
    assert found.ids == [r[0] for r in ROWS]
    assert np.asarray(found.images.shape).tolist() == [4, 8, 8, 3]


def test_a_missing_file_is_never_one_of_another_folder(tmp_path, save_image):
    for name in ("cat/1.png", "cat/3.png", "dog/2.png"):
        save_image(tmp_path / name)
    path = write(
        tmp_path,
        "csv",
        {"file_name": ["cat/1.png", "dog/3.png", "dog/2.png"], "label": ["cat", "dog", "dog"]},
    )
    images = load(path, skip_missing=True)
    assert images.ids == ["cat/1.png", "dog/2.png"]
    assert [entry.path for entry in images.skipped] == ["dog/3.png", "cat/3.png"]
    with pytest.raises(DataError, match=r"row 2: there is no file 'dog/3.png'.*or leave out such rows$"):
        load_unlabelled(path, image_size=8, channels=3)


def test_images_found_by_name_are_said_to_who_classifies_too(photos):
    path = write(photos, "csv", {"file_name": ["0, a", "1, a"]})
    found = load_unlabelled(path, image_size=8, channels=3)
    assert len(found.notes) == 1
    assert (
        "2 images were found by their names, not at their paths, first '0, a' as photos/0, a.png"
        in (found.notes[0])
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_of_no_split_are_counted_and_listed(photos, kind):
    columns = {"file_name": [r[0] for r in ROWS], "label": list("abab")}
    path = write(photos, kind, columns | {"split": ["train", "train", None, "trian"]})
    images = load(path)
    assert images.ids == columns["file_name"][:2]
    assert [(entry.path, entry.reason) for entry in images.skipped] == [
        (ROWS[2][0], "in a row without a split"),
        (ROWS[3][0], "in a row of split 'trian'"),
    ]
    (note,) = images.notes
    assert note.startswith(
        "2 rows left out whose column 'split' is empty or has no usual name: '' 1, 'trian' 1"
    )
    assert f"first {path}, row 3 (" in note
    assert "--split none" in note
    assert len(load(path, split="none")) == 4


def test_rows_of_other_splits_are_counted(photos):
    columns = {"file_name": [r[0] for r in ROWS], "label": list("abab")}
    images = load(write(photos, "csv", columns | {"split": ["train", "train", "val", "test"]}))
    assert images.notes == [
        "rows of other splits are not read: val 1 (--split NAME reads one, --split none all)"
    ]
    assert images.skipped == []
    assert load(write(photos, "csv", columns | {"split": ["train", "train", "val", "val"]})).notes == []
    assert load(write(photos, "csv", columns | {"split": [""] * 4})).notes == [
        "column 'split' is empty and is not read"
    ]


def test_one_file_under_two_paths_is_a_duplicate(photos):
    names = [f"./{ROWS[0][0]}", *(r[0] for r in ROWS[:3])]
    columns = {"file_name": names, "label": list("abab")}
    with pytest.raises(
        DataError, match=r"row 2: id 'photos/0, a.png' is already .*row 1, there as './photos"
    ):
        load(write(photos, "csv", columns))
    assert load(write(photos, "csv", columns | {"id": list("pqrs")})).ids == list("pqrs")


def test_one_of_several_columns_of_pictures_is_named(tmp_path):
    cells = []
    for shade in (0, 200):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (shade,) * 3).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    table = {"before": cells, "after": cells, "label": ["a", "b"]}
    pq.write_table(pa.table(table), tmp_path / "two.parquet")
    told = "images are in column 'before', not in 'after' (--image-column)"
    assert told in load(tmp_path / "two.parquet").notes
    asked = load(tmp_path / "two.parquet", image_column="after")
    assert not [note for note in asked.notes if "--image-column" in note]


@pytest.mark.parametrize("empty", [pd.NA, None, float("nan"), " "])
@pytest.mark.parametrize("dtype", ["string", object])
def test_an_empty_id_of_a_frame_is_named(photos, empty, dtype):
    names = pd.Series(["x", empty, "y", "z"], dtype=dtype)
    frame = pd.DataFrame({"id": names, "path": [str(photos / r[0]) for r in ROWS], "label": list("abab")})
    with pytest.raises(DataError, match="the id is empty"):
        load(frame)


def test_whole_numbers_among_ids_stay_whole(photos):
    """As floats they would not be those of a file of labels."""
    paths = [str(photos / r[0]) for r in ROWS]
    frame = pd.DataFrame({"id": [7.0, 8.0, 9.0, 10.0], "path": paths, "label": list("abab")})
    assert load(frame).ids == ["7", "8", "9", "10"]
