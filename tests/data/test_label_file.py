from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from labelmend.data import load
from labelmend.data.sources import read_listing
from labelmend.errors import DataError, LabelmendWarning

IDS = ["cat/1.png", "cat/2.png", "dog/1.png"]


@pytest.fixture
def pets(tmp_path, save_image):
    for name in IDS:
        save_image(tmp_path / "pets" / name)
    return tmp_path / "pets"


def write(folder, columns, kind="csv"):
    path = folder / f"labels.{kind}"
    if kind == "npz":
        np.savez(path, **{k: np.asarray(v) for k, v in columns.items()})
        return path
    frame = pd.DataFrame(columns)
    if kind == "npy":
        np.save(path, np.asarray(columns["label"]))
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "npz"])
@pytest.mark.parametrize("key", ["id", "file_name", "path"])
@pytest.mark.parametrize("column", ["label", "noisy_label", "label_noisy"])
def test_rows_are_matched_by_id_in_any_order(pets, tmp_path, kind, key, column):
    path = write(tmp_path, {key: IDS[::-1], column: ["cat", "dog", "dog"]}, kind)
    images = load(pets, labels=path)
    assert images.ids == IDS
    assert images.given_labels.tolist() == [1, 1, 0]
    assert images.class_names == ["cat", "dog"]


def test_keys_in_other_forms_of_unicode_and_slash_and_case(tmp_path, save_image):
    for name in ("caf\u00e9/1.png", "tea/2.png"):
        save_image(tmp_path / "pets" / name)
    columns = {"Filename": ["tea\\2.png", "cafe\u0301\\1.png"], "Label": ["caf\u00e9", "tea"]}
    assert load(tmp_path / "pets", labels=write(tmp_path, columns)).given_labels.tolist() == [1, 0]


def test_a_label_file_in_json_and_compressed(pets, tmp_path):
    path = tmp_path / "labels.json"
    pd.DataFrame({"id": IDS[::-1], "label": ["cat", "dog", "dog"]}).to_json(path, orient="records")
    (tmp_path / "labels.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("labels.json", "labels.json.gz"):
        assert load(pets, labels=tmp_path / name).given_labels.tolist() == [1, 1, 0]


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "npy", "jsonl"])
def test_indices_in_order_without_ids(pets, tmp_path, kind):
    path = write(tmp_path, {"label": [1, 0, 1]}, kind)
    images = load(pets, labels=path)
    assert images.given_labels.tolist() == [1, 0, 1]
    assert images.notes == [
        f"{path}: labels are taken in the order of the images, as no column names these; a column 'id' or "
        "'path' does",
        f"{path}: labels are taken for class indices (0 is 'cat'); write class names instead if they are "
        "none",
    ]


def test_the_noisy_column_goes_before_a_clean_one_and_true_labels_are_kept(pets, tmp_path):
    columns = {"label": ["cat", "cat", "cat"], "label_noisy": ["dog", "cat", "cat"]}
    assert load(pets, labels=write(tmp_path, columns)).given_labels.tolist() == [1, 0, 0]
    columns |= {"id": IDS[::-1], "true_label": ["dog", "cat", "cat"], "trusted": [True, False, False]}
    images = load(pets, labels=write(tmp_path, columns))
    assert images.true_labels.tolist() == [0, 0, 1]
    assert images.trusted.tolist() == [False, False, True]


def test_true_labels_of_the_source_stay(tmp_path):
    path = write(tmp_path, {"label": np.arange(1297) % 10}, "npy")
    images = load("digits", labels=path)
    assert images.given_labels.tolist() == (np.arange(1297) % 10).tolist()
    np.testing.assert_array_equal(images.true_labels, load("digits").true_labels)


def test_labels_cover_the_whole_source_even_under_a_limit(tmp_path):
    path = write(tmp_path, {"label": np.arange(1297) % 10}, "npy")
    assert load("digits", labels=path, limit=20).given_labels.tolist() == [*range(10), *range(10)]
    short = write(tmp_path, {"label": np.arange(20) % 10}, "npz")
    with pytest.raises(DataError, match="20 labels without ids, but digits has 1297 images"):
        load("digits", labels=short, limit=20)


def test_images_without_labels_take_classes_from_the_file(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), dtype=np.uint8))
    images = load(tmp_path / "x.npy", labels=write(tmp_path, {"label": ["b", "a", "b"]}))
    assert images.class_names == ["a", "b"]
    assert images.given_labels.tolist() == [1, 0, 1]


def test_a_partial_file_changes_only_the_images_that_it_names(pets, tmp_path):
    path = write(tmp_path, {"id": IDS[::-1], "label": ["cat", "", "dog"]})
    with pytest.raises(DataError, match="row 2: the label is empty"):
        load(pets, labels=path)
    images = load(pets, labels=path, partial=True)
    assert images.given_labels.tolist() == [1, 0, 0]
    assert images.notes == [f"{path} names 2 of 3 images; the others keep their label"]
    with pytest.raises(DataError, match="give every image a label, or --partial"):
        load(pets, labels=write(tmp_path, {"id": IDS[:1], "label": ["dog"]}))
    with pytest.raises(DataError, match=r"row 2: .* has no image with id 'x'"):
        load(pets, labels=write(tmp_path, {"id": [IDS[0], "x"], "label": ["dog"] * 2}), partial=True)


def test_errors_of_a_partial_file_name_its_row(pets, tmp_path):
    path = write(tmp_path, {"id": IDS[::-1], "label": ["", "cow", "dog"]})
    with pytest.raises(DataError, match="row 2: class 'cow' is not one of the 2 classes"):
        load(pets, labels=path, partial=True)


def test_flags_and_true_labels_of_a_partial_file(pets, tmp_path):
    path = write(
        tmp_path, {"id": IDS[1:], "label": ["dog"] * 2, "trusted": [1, 0], "true_label": ["dog"] * 2}
    )
    images = load(pets, labels=path, partial=True)
    assert images.trusted.tolist() == [False, True, False]
    assert images.true_labels is None


def test_a_patch_is_a_partial_file(pets, tmp_path):
    path = write(tmp_path, {"id": [IDS[0]], "from": ["cat"], "to": ["dog"], "why": ["decision"]})
    assert load(pets, labels=path, partial=True).given_labels.tolist() == [1, 0, 1]


VERDICT_COLUMNS = {
    "id": IDS,
    "path": IDS,
    "given_label": ["cat", "cat", "dog"],
    "suggested_label": ["dog", "dog", "dog"],
    "suggestion_confidence": [0.95, 0.4, 0.99],
}


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder"])
def test_verdicts_give_the_labels_that_are_sure_enough(pets, tmp_path, kind):
    path = write(tmp_path, VERDICT_COLUMNS, "parquet" if kind == "folder" else kind)
    if kind == "folder":
        (tmp_path / "run").mkdir()
        path = path.rename(tmp_path / "run" / "verdicts.parquet").parent
    images = load(pets, labels=path)
    assert images.given_labels.tolist() == [1, 0, 1]
    assert images.notes == [
        f"labels are those that {path} suggests: 1 suggestions with a confidence of 0.9 or more are taken, "
        "1 below it are not (--min-confidence)"
    ]
    assert read_listing(pets, labels=path, min_confidence=0.4).labels == ["dog"] * 3
    assert load(pets, labels=path, min_confidence=0.96).given_labels.tolist() == [0, 0, 1]


def test_labels_beside_verdicts_are_taken_and_nothing_that_is_suggested(pets, tmp_path):
    path = write(tmp_path, VERDICT_COLUMNS | {"label": ["cat", "dog", "cat"]}, "csv")
    images = load(pets, labels=path)
    assert images.given_labels.tolist() == [0, 1, 0]
    assert images.notes == [f"{path} holds verdicts and labels: the labels are taken, not what is suggested"]
    named = load(pets, labels=path, label_column="given_label")
    assert (named.given_labels.tolist(), named.notes) == ([0, 0, 1], [])


def test_images_without_a_verdict_keep_their_label(pets, tmp_path):
    some = {name: values[:1] for name, values in VERDICT_COLUMNS.items()}
    images = load(pets, labels=write(tmp_path, some))
    assert images.given_labels.tolist() == [1, 0, 1]
    assert images.notes[1].endswith("names 1 of 3 images; the others keep their label")
    with pytest.raises(DataError, match="has no image with id 'x'"):
        load(pets, labels=write(tmp_path, {**VERDICT_COLUMNS, "id": [*IDS[:2], "x"]}))
    with pytest.raises(DataError, match="row 1: suggestion_confidence is 'sure', expected a number"):
        load(pets, labels=write(tmp_path, {**VERDICT_COLUMNS, "suggestion_confidence": ["sure"] * 3}))


def test_a_folder_that_is_no_run(pets, tmp_path):
    with pytest.raises(DataError, match=r"is a folder without verdicts\.parquet"):
        load(pets, labels=pets)


def test_the_column_of_labels_that_is_asked_for(pets, tmp_path):
    path = write(tmp_path, VERDICT_COLUMNS)
    assert read_listing(pets, labels=path, label_column="suggested_label").labels == ["dog"] * 3
    assert load(pets, labels=path, label_column="given_label").given_labels.tolist() == [0, 0, 1]


def test_a_column_that_is_not_there_is_said(pets, tmp_path, save_image):
    path = write(tmp_path, {"id": IDS, "label": ["dog", "cat", "dog"]})
    with pytest.raises(
        DataError, match="there is no column 'klass', which --label-column names; it has id, label"
    ):
        load(pets, labels=path, label_column="klass")
    assert load(pets, labels=path, label_column="LABEL").given_labels.tolist() == [1, 0, 1]
    # Of a table of images it may be the column of its own labels.
    table = photos_csv(tmp_path / "own", save_image, klass=["cat", "cat", "dog"])
    images = load(table, labels=path, label_column="klass")
    assert images.given_labels.tolist() == [1, 0, 1]
    assert (
        f"{path} has no column 'klass' (--label-column): its column 'label' is taken for the labels"
        in images.notes
    )


def photos_csv(folder, save_image, **columns):
    for name in IDS:
        save_image(folder / name)
    path = folder / "photos.csv"
    pd.DataFrame({"file_name": IDS, **columns}).to_csv(path, index=False)
    return path


def test_the_table_of_the_images_itself_as_a_file_of_labels(tmp_path, save_image):
    columns = {"category": ["cat", "cat", "dog"], "split": ["train", "test", "train"], "id": ["a", "b", "a"]}
    path = photos_csv(tmp_path, save_image, **columns)
    other = tmp_path / "other.csv"
    other.write_text(path.read_text().replace("cat/1.png,cat", "cat/1.png,dog"))
    # A column that is no id names no image, and rows of the test split are passed over.
    with pytest.warns(LabelmendWarning, match="column 'id' is no id"):
        assert read_listing(path, labels=other).labels == ["dog", "dog"]


def test_one_hot_columns_as_a_file_of_labels(pets, tmp_path):
    path = write(tmp_path, {"file_name": IDS, "cat": [0, 1, 0], "dog": [1, 0, 1]})
    assert load(pets, labels=path).given_labels.tolist() == [1, 0, 1]


def test_the_place_of_labels_in_a_file(pets, tmp_path):
    path = write(tmp_path, {"id": IDS[::-1], "label": ["cat", "dog", "dog"]})
    place = read_listing(pets, labels=path).label_place
    assert (place.path, place.column, place.rows, place.num_rows) == (path, "label", [2, 1, 0], 3)
    some = read_listing(pets, labels=write(tmp_path, {"id": IDS[:1], "label": ["dog"]}), partial=True)
    assert some.label_place.rows == [0, None, None]
    assert read_listing(pets).class_folders == {pets / "cat": "cat", pets / "dog": "dog"}


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"id": [*IDS[:2], "x"], "label": ["cat"] * 3}, r"row 3: .* has no image with id 'x'.*'cat/1\.png'"),
        ({"id": IDS[:2], "label": ["cat"] * 2}, r"no label for 1 of the 3 images .* 'dog/1\.png'"),
        ({"id": [IDS[0], IDS[0], IDS[1]], "label": ["cat"] * 3}, "row 2: id .* is already that of row 1"),
        ({"id": IDS, "label": ["cat", "cow", "dog"]}, "row 2: class 'cow' is not one of the 2 classes"),
        ({"id": IDS, "label": [0, 1, 2]}, "row 3: class '2' is not one of"),
        ({"id": IDS, "label": ["cat", "", "dog"]}, "row 2: the label is empty"),
        ({"id": IDS, "breed": ["cat"] * 3}, "no column of labels .* it has id, breed"),
        ({"label": ["cat"] * 4}, "4 labels without ids, but .* has 3 images; add a column 'id'"),
    ],
)
def test_errors(pets, tmp_path, columns, match):
    with pytest.raises(DataError, match=match) as error:
        load(pets, labels=write(tmp_path, columns))
    assert "labels.csv" in str(error.value)


def test_missing_and_foreign_files(pets, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load(pets, labels=tmp_path / "none.csv")
    (tmp_path / "x.txt").write_text("cat")
    with pytest.raises(DataError, match=r"cannot read '\.txt' as a file of labels"):
        load(pets, labels=tmp_path / "x.txt")


def test_numbers_are_no_indices_where_classes_are_called_by_numbers(tmp_path, save_image):
    ids = [f"{name}/{name}.png" for name in "123"]
    for name in ids:
        save_image(tmp_path / "numbers" / name)
    patch = write(tmp_path, {"id": ids, "label": [2, 0, 1]})
    with pytest.raises(DataError, match=r"labels\.csv, row 2: class '0' is not one of the 3 classes"):
        load(tmp_path / "numbers", labels=patch, partial=True)
    columns = {"id": ids, "label": [2, 3, 1], "true_label": [0, 1, 2]}
    with pytest.raises(DataError, match=r"labels\.csv, row 1: class '0'"):
        load(tmp_path / "numbers", labels=write(tmp_path, columns))


NAMED = {"class_names": ["dog", "cat"], "label": [1, 0, 0], "true_labels": [0, 0, 1], "ids": IDS[::-1]}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("label", ["label", "Y", "target"])
def test_integers_of_arrays_with_class_names_are_indices_into_these(pets, tmp_path, order, label):
    columns = {label if name == "label" else name: values for name, values in list(NAMED.items())[::order]}
    images = load(pets, labels=write(tmp_path, columns, "npz"))
    assert images.class_names == ["cat", "dog"]
    assert images.given_labels.tolist() == [1, 1, 0]
    assert images.true_labels.tolist() == [0, 1, 1]
    assert images.notes == []


def test_class_names_of_arrays_order_the_classes_of_unlabelled_images(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), dtype=np.uint8))
    columns = {"class_names": ["dog", "cat"], "label": [1, 0, 0]}
    assert load(tmp_path / "x.npy", labels=write(tmp_path, columns, "npz")).class_names == ["dog", "cat"]


def test_an_index_without_a_class_name_is_refused_with_its_row(pets, tmp_path):
    columns = {**NAMED, "ids": ["x", *IDS], "label": [0, 0, 2, 0], "split": ["test", *["train"] * 3]}
    del columns["true_labels"]
    with pytest.raises(DataError, match=r"labels\.npz, row 3: there is no class 2"):
        load(pets, labels=write(tmp_path, columns, "npz"))


def test_arrays_of_other_lengths(pets, tmp_path):
    with pytest.raises(
        DataError, match=r"labels\.npz: 'label' has 3 values, but 'ids' has 2; give each image"
    ):
        load(pets, labels=write(tmp_path, {**NAMED, "ids": IDS[:2]}, "npz"))
    # They may be of other images.
    path = write(tmp_path, {"test_labels": [0], **NAMED}, "npz")
    assert load(pets, labels=path).given_labels.tolist() == [1, 1, 0]


def test_ids_of_bytes_in_arrays(pets, tmp_path):
    columns = {"ids": [name.encode() for name in IDS[::-1]], "label": [b"cat", b"dog", b"dog"]}
    assert load(pets, labels=write(tmp_path, columns, "npz")).given_labels.tolist() == [1, 1, 0]


def test_how_the_file_was_read_is_said(pets, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id;label\n" + "".join(f"{name};dog\n" for name in IDS))
    assert read_listing(pets, labels=path).notes == ["labels.csv is read with ';' between its values"]


def test_a_label_of_the_source_that_is_no_class_names_its_image(pets, tmp_path):
    path = write(tmp_path, {"id": IDS[:2], "label": ["cow"] * 2})
    with pytest.raises(DataError, match=r"pets, image 'cat/1\.png': class 'cat' is not one of the 1 classes"):
        load(pets, labels=path, partial=True, class_names=["cow"])
