"""Tables as people have them: names of columns, encodings, delimiters, exports of tools."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.build import png, put, write
from corpus.registry import Source, case

PETS = {"classes": ["cat", "dog"], "labels": ["cat", "dog", "cat"], "values": [10, 20, 30]}
ROWS = [("1.png", "cat"), ("2.png", "dog"), ("3.png", "cat")]


def pets(folder: Path, below: str = "") -> Path:
    return put(folder, *(f"{below}{n}.png" for n in (1, 2, 3)))


def table(
    folder: Path,
    image: str = "file_name",
    label: str = "label",
    delimiter: str = ",",
    rows=ROWS,
    name="t.csv",
) -> Path:
    lines = [delimiter.join((image, label)), *(delimiter.join(row) for row in rows)]
    return write(folder / name, "\n".join(lines) + "\n")


def of_column(image: str, label: str = "label"):
    def make(folder):
        pets(folder)
        return Source(table(folder, image, label))

    make.__name__ = f"columns_{image}_and_{label}".replace(" ", "_")
    return make


for image_name in (
    "filename",
    "file",
    "image_path",
    "FilePath",
    "image",
    "Img",
    "image_id",
    "name",
    "FName",
    "url",
):
    case(**PETS)(of_column(image_name))
for label_name in ("Label", "class", "Category", "target", "choice"):
    case(**PETS)(of_column("file_name", label_name))


@case(
    **PETS,
    notes=["images are in column 'image_id' \\(--image-column\\)", "3 images were found by their names"],
)
def ids_without_a_suffix_as_kaggle_has_them(folder):
    pets(folder, "train/")
    put(folder, "test/1.png", "test/9.png")
    return Source(
        table(folder, "image_id", rows=[(name[:-4], label) for name, label in ROWS], name="train.csv")
    )


@case(**PETS, notes=["labels are those of train.csv"], test=())
def a_folder_of_kaggle(folder):
    pets(folder, "train/")
    put(folder, "test/8.png", "test/9.png")
    table(folder, "id", rows=[(name[:-4], label) for name, label in ROWS], name="train.csv")
    write(folder / "test.csv", "id\n8\n9\n")
    write(folder / "sample_submission.csv", "id,label\n8,cat\n9,cat\n")
    return Source(folder)


@case(**PETS, notes=["labels are those of labels.csv"])
def a_table_beside_a_folder_of_images(folder):
    pets(folder, "images/")
    table(folder, name="labels.csv")
    return Source(folder)


@case(**PETS)
def the_column_of_images_is_named(folder):
    pets(folder)
    write(folder / "t.csv", "image,photo,label\nx,1.png,cat\nx,2.png,dog\nx,3.png,cat\n")
    return Source(folder / "t.csv", {"image_column": "photo"})


@case(error="there is no column 'foto'; it has file_name, label; choose with --image-column")
def an_unknown_column_of_images(folder):
    pets(folder)
    return Source(table(folder), {"image_column": "foto"})


@case(**PETS, skipped=[])
def an_image_root(folder):
    pets(folder.parent / "elsewhere")
    return Source(table(folder), {"image_root": str(folder.parent / "elsewhere")})


@case(error="--image-root .*nowhere is not a folder")
def an_image_root_that_is_not_there(folder):
    return Source(table(folder), {"image_root": str(folder / "nowhere")})


@case(**PETS)
def paths_of_windows(folder):
    pets(folder, "img/a/")
    return Source(table(folder, rows=[(f"img\\a\\{name}", label) for name, label in ROWS]))


@case(**PETS, notes=["3 images were found by their names, not at their paths"])
def absolute_paths_of_another_machine(folder):
    pets(folder, "img/")
    return Source(table(folder, rows=[(f"/home/me/img/{name}", label) for name, label in ROWS]))


@case(error=r"row 1: '/x/1.png' may be a/x/1.png or b/x/1.png; .*--image-root")
def a_name_that_fits_two_files(folder):
    put(folder, "a/x/1.png", "b/x/1.png")
    return Source(table(folder, rows=[("/x/1.png", "cat"), ("/x/1.png", "dog")]))


@case(error=r"row 2: there is no file 'dog/3.png'")
def a_missing_file_of_the_name_of_another(folder):
    put(folder, "cat/1.png", "cat/3.png", "dog/2.png")
    return Source(table(folder, rows=[("cat/1.png", "cat"), ("dog/3.png", "dog"), ("dog/2.png", "dog")]))


@case(
    labels=["cat", "dog"],
    skipped=["3.png: in a row without a split", "4.png: in a row of split 'trian'"],
    notes=[
        "^2 rows left out whose column 'split' is .*: '' 1, 'trian' 1, first .*row 3 ",
        "^rows of other splits are not read: val 1 ",
    ],
    test=("cat",),
)
def a_csv_with_splits_that_are_empty_or_mistyped(folder):
    put(folder, *(f"{n}.png" for n in range(1, 7)))
    splits = ("train", "train", "", "trian", "test", "val")
    rows = (f"{n}.png,{'dog' if n == 2 else 'cat'},{split}" for n, split in enumerate(splits, start=1))
    return Source(write(folder / "t.csv", "\n".join(["file_name,label,split", *rows])))


@case(error="row 2: id './1.png' is already that of .*row 1, there as '1.png'")
def a_file_listed_twice_under_two_paths(folder):
    pets(folder)
    return Source(table(folder, rows=[("1.png", "cat"), ("./1.png", "dog")]))


@case(**PETS, notes=["read with ';' between"])
def semicolons(folder):
    pets(folder)
    return Source(table(folder, delimiter=";"))


@case(**PETS, notes=[r"read with '\\t' between"])
def tabs_in_a_csv(folder):
    pets(folder)
    return Source(table(folder, delimiter="\t"))


@case(**PETS)
def a_tsv_with_commas(folder):
    pets(folder)
    return Source(table(folder, name="t.tsv"))


@case(classes=["chien", "été"], labels=["été", "chien"], notes=["is not UTF-8 and is read as Windows-1252"])
def windows_1252(folder):
    pets(folder)
    return Source(write(folder / "t.csv", "file_name,label\n1.png,été\n2.png,chien\n", "cp1252"))


@case(classes=["chien", "été"], labels=["été", "chien"], notes=["read as UTF-16"])
def utf_16(folder):
    pets(folder)
    return Source(write(folder / "t.csv", "file_name,label\n1.png,été\n2.png,chien\n", "utf-16"))


@case(classes=["chien", "été"], labels=["été", "chien"], notes=["read as UTF-16-LE"])
def utf_16_without_a_mark(folder):
    pets(folder)
    return Source(write(folder / "t.csv", "file_name,label\n1.png,été\n2.png,chien\n", "utf-16-le"))


@case(**PETS)
def utf_8_with_a_mark(folder):
    pets(folder)
    text = table(folder).read_text()
    return Source(write(folder / "m.csv", text, "utf-8-sig"))


@case(**PETS)
def a_compressed_csv(folder):
    pets(folder)
    plain = table(folder)
    (folder / "t.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return Source(folder / "t.csv.gz")


@case(error="t.csv.gz: cannot be read")
def a_damaged_gzip(folder):
    (folder / "t.csv.gz").write_bytes(gzip.compress(b"file_name,label\n" * 99)[:-12])
    return Source(folder / "t.csv.gz")


@case(error="row 2: .*a double quote is opened and not closed")
def a_stray_quote(folder):
    pets(folder)
    return Source(write(folder / "t.csv", 'file_name,label\n1.png,cat\n2.png,"dog\n3.png,cat\n'))


@case(error="row 1: a double quote makes one value of several lines")
def a_quote_that_swallows_rows(folder):
    pets(folder)
    return Source(write(folder / "t.csv", 'file_name,label\n1.png,"cat\n2.png,dog\n3.png,cat"\n'))


@case(error="row 1: .*double quote")
def two_stray_quotes(folder):
    pets(folder)
    return Source(write(folder / "t.csv", 'file_name,label\n1.png,"cat\n2.png,"dog\n3.png,cat\n'))


@case(**PETS)
def a_caption_of_two_lines(folder):
    pets(folder)
    text = 'file_name,label,text\n1.png,cat,"one\ntwo"\n2.png,dog,"6"" long"\n3.png,cat,a "b" c\n'
    return Source(write(folder / "t.csv", text))


@case(**PETS)
def json_records(folder):
    pets(folder)
    records = [{"file_name": name, "label": label} for name, label in ROWS]
    return Source(write(folder / "t.json", json.dumps(records)))


@case(**PETS)
def json_as_pandas_writes_it(folder):
    pets(folder)
    pd.DataFrame(ROWS, columns=["file", "class"]).to_json(folder / "t.json")
    return Source(folder / "t.json")


@case(**PETS)
def json_of_names_and_labels(folder):
    pets(folder)
    return Source(write(folder / "t.json", json.dumps(dict(ROWS))))


@case(**PETS)
def json_pairs_under_labels(folder):
    pets(folder)
    return Source(write(folder / "dataset.json", json.dumps({"labels": ROWS})))


@case(error="not a table; expected a list of objects")
def json_of_numbers(folder):
    return Source(write(folder / "t.json", "[1, 2]"))


@case(error="t.json: not valid JSON")
def json_cut_off(folder):
    return Source(write(folder / "t.json", '[{"file_name": "1.p'))


def coco(folder, annotations):
    pets(folder)
    return write(
        folder / "coco.json",
        json.dumps(
            {
                "images": [{"id": 7 + n, "file_name": f"{n}.png"} for n in (1, 2, 3)],
                "categories": [{"id": 3, "name": "dog"}, {"id": 5, "name": "cat"}],
                "annotations": [
                    {"id": i, "image_id": m, "category_id": c} for i, (m, c) in enumerate(annotations)
                ],
            }
        ),
    )


@case(**PETS)
def coco_with_one_category_each(folder):
    return Source(coco(folder, [(9, 3), (8, 5), (10, 5), (10, 5)]))


@case(labels=["cat", "dog"], values=[10, 20], skipped=["3.png: without an annotation", "3.png: in no row"])
def coco_with_an_image_that_nobody_annotated(folder):
    return Source(coco(folder, [(9, 3), (8, 5)]))


@case(error=r"1.png is annotated with 2 categories \(cat, dog\); labelmend needs one label")
def coco_of_a_detection_task(folder):
    return Source(coco(folder, [(8, 3), (8, 5), (9, 3), (10, 3)]))


def label_studio_task(name, *choices):
    result = [{"type": "choices", "from_name": "c", "value": {"choices": [choice]}} for choice in choices]
    return {"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": result}]}


@case(**PETS, notes=["3 images were found by their names"])
def label_studio_json(folder):
    pets(folder)
    return Source(write(folder / "ls.json", json.dumps([label_studio_task(*row) for row in ROWS])))


@case(labels=["cat", "dog"], skipped=["3.png: annotated as cat and as dog", "3.png: in no row"])
def label_studio_json_of_annotators_that_disagree(folder):
    pets(folder)
    tasks = [*(label_studio_task(*row) for row in ROWS[:2]), label_studio_task("3.png", "cat", "dog")]
    return Source(write(folder / "ls.json", json.dumps(tasks)))


@case(**PETS)
def label_studio_csv(folder):
    pets(folder, "images/")
    lines = [f"/data/local-files/?d=images/{name},{n},{label},me" for n, (name, label) in enumerate(ROWS)]
    return Source(write(folder / "ls.csv", "image,id,choice,annotator\n" + "\n".join(lines)))


@case(classes=["cat", "dog"], labels=["cat", "dog"], test=("dog",), notes=["labels are in one-hot columns"])
def roboflow_one_hot(folder):
    put(folder, "train/1.jpg", "train/2.jpg", "valid/3.jpg")
    write(folder / "train/_classes.csv", "filename, cat, dog\n1.jpg, 1, 0\n2.jpg, 0, 1\n")
    write(folder / "valid/_classes.csv", "filename, cat, dog\n3.jpg, 0, 1\n")
    return Source(folder)


@case(error="row 2: 2 of 2 columns are marked, expected a single 1")
def roboflow_with_two_labels(folder):
    pets(folder)
    return Source(write(folder / "_classes.csv", "filename, cat, dog\n1.png, 1, 0\n2.png, 1, 1\n"))


def hugging_face(path, image, label, values=(1, 2), labels=(0, 1)):
    data = {
        image: pa.array([{"bytes": png(v), "path": None} for v in values]),
        label: pa.array(labels, pa.int64()),
    }
    data["caption"] = pa.array(["x"] * len(values))
    features = {image: {"_type": "Image"}, label: {"names": ["zebra", "ant"], "_type": "ClassLabel"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    info = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table(data).replace_schema_metadata(info), path)
    return path


@case(
    classes=["zebra", "ant"], labels=["zebra", "ant"], values=[1, 2], notes=["labels are in column 'species'"]
)
def hugging_face_columns_by_their_type(folder):
    return Source(hugging_face(folder / "x.parquet", "picture", "species"))


@case(classes=["zebra", "ant"], values=[1, 2], test=("ant",))
def hugging_face_default_train(folder):
    hugging_face(folder / "default/train/0000.parquet", "image", "label")
    hugging_face(folder / "default/test/0000.parquet", "image", "label", [9], [1])
    return Source(folder)


@case(error=r"holds several configurations \(a, b\); give the folder of one")
def hugging_face_with_two_configurations(folder):
    hugging_face(folder / "a/train/0.parquet", "image", "label")
    hugging_face(folder / "b/train/0.parquet", "image", "label")
    return Source(folder)


@case(classes=["zebra", "ant"], values=[1, 2], test=(), notes=["test split is not scored.*empty or -1"])
def hugging_face_test_labels_of_minus_one(folder):
    hugging_face(folder / "data/train-00000-of-00001.parquet", "image", "label")
    hugging_face(folder / "data/test-00000-of-00001.parquet", "image", "label", [9, 8], [-1, -1])
    return Source(folder)


@case(labels=["cat", "dog"], test=(), notes=["test split is not scored.*empty or -1"])
def a_csv_whose_test_rows_have_no_labels(folder):
    pets(folder)
    return Source(
        write(folder / "t.csv", "file_name,label,split\n1.png,cat,train\n2.png,dog,train\n3.png,,test\n")
    )


@case(labels=["cat", "dog", "cat"], test=())
def a_csv_with_split_none(folder):
    pets(folder)
    text = "file_name,label,split\n1.png,cat,train\n2.png,dog,train\n3.png,cat,test\n"
    return Source(write(folder / "t.csv", text), {"split": "none"})


@case(error=r"row 2: there is no file 'b.png' .*; 2 files are missing in all, also c.png; .*--skip-missing")
def rows_whose_files_are_missing(folder):
    pets(folder)
    return Source(table(folder, rows=[ROWS[0], ("b.png", "dog"), ("c.png", "cat")]))


@case(labels=["cat", "dog"], values=[10, 20], skipped=["b.png: there is no such file", "3.png: in no row"])
def missing_rows_are_skipped_when_asked(folder):
    pets(folder)
    return Source(table(folder, rows=[ROWS[0], ("b.png", "dog"), ROWS[1]]), {"skip_missing": True})


@case(error="row 1: there is no file 'http://x.org/1.jpg'.*a web address, and nothing is downloaded")
def web_addresses(folder):
    return Source(table(folder, "url", rows=[("http://x.org/1.jpg", "cat"), ("http://x.org/2.jpg", "dog")]))


@case(labels=["cat", "dog"], skipped=["img/3.png: in no row of the table"])
def images_that_nobody_lists(folder):
    pets(folder, "img/")
    return Source(table(folder, rows=[(f"img/{name}", label) for name, label in ROWS[:2]]))


def check_groups(job):
    assert job.train_set.groups == ["p1", "p1", "p2"]
    assert job.train_set.ids == ["1.png", "2.png", "3.png"]


PATIENTS = "id,file_name,label\np1,1.png,cat\np1,2.png,dog\np2,3.png,cat\n"


@case(
    **PETS,
    notes=["column 'id' is no id, as 'p1' of .*row 2 .*--group-column id"],
    ids=["1.png", "2.png", "3.png"],
)
def an_id_of_patients(folder):
    pets(folder)
    return Source(write(folder / "t.csv", PATIENTS))


@case(**PETS, check=check_groups)
def patients_kept_together(folder):
    pets(folder)
    return Source(write(folder / "t.csv", PATIENTS), {"group_column": "id"})


@case(error="row 2: id '1.png' is already that of .*row 1")
def a_file_listed_twice(folder):
    pets(folder)
    return Source(table(folder, rows=[("1.png", "cat"), ("1.png", "dog")]))


@case(classes=["NA", "nan", "null"], labels=["NA", "null", "nan"])
def classes_called_na_and_null(folder):
    pets(folder)
    return Source(table(folder, rows=[("1.png", "NA"), ("2.png", "null"), ("3.png", "nan")]))


@case(classes=["cat", "dog"], labels=["cat", "dog", "cat"])
def labels_with_blanks_around(folder):
    pets(folder)
    return Source(write(folder / "t.csv", 'file_name,label\n1.png,cat\n2.png, dog \n3.png,"cat "\n'))


@case(classes=["caf\u00e9", "tea"], labels=["caf\u00e9", "caf\u00e9", "tea"])
def labels_in_two_unicode_forms(folder):
    pets(folder)
    return Source(table(folder, rows=[("1.png", "cafe\u0301"), ("2.png", "caf\u00e9"), ("3.png", "tea")]))


@case(classes=["Cat", "cat", "dog"], notes=["nearly the same name are kept apart: 'Cat' and 'cat'"])
def folders_that_differ_in_case(folder):
    return Source(put(folder, "Cat/1.png", "cat/2.png", "dog/3.png"))


@case(classes=["caf\u00e9", "t"], labels=["caf\u00e9", "caf\u00e9", "t"])
def folders_that_differ_in_unicode_form(folder):
    return Source(put(folder, "cafe\u0301/1.png", "caf\u00e9/2.png", "t/3.png"))


@case(notes=["'New York' and 'new_york', 'Zurich' and 'Z\u00fcrich'"])
def names_that_are_nearly_the_same(folder):
    put(folder, *(f"{n}.png" for n in (1, 2, 3, 4)))
    names = ["New York", "new_york", "Zurich", "Z\u00fcrich"]
    return Source(table(folder, rows=[(f"{n}.png", name) for n, name in enumerate(names, 1)]))


@case(**PETS)
def labels_in_lists(folder):
    pets(folder)
    lines = [json.dumps({"file_name": name, "label": [label]}) for name, label in ROWS]
    return Source(write(folder / "t.jsonl", "\n".join(lines)))


@case(**PETS)
def labels_in_objects(folder):
    pets(folder)
    lines = [json.dumps({"file_name": name, "label": {"label": label}}) for name, label in ROWS]
    return Source(write(folder / "t.jsonl", "\n".join(lines)))


@case(error=r"row 2, column 'label': the label is \['dog', 'cat'\] \(list\); labels are class names or whole")
def several_labels_for_an_image(folder):
    pets(folder)
    lines = [
        json.dumps({"file_name": f"{n}.png", "label": label})
        for n, label in enumerate((["cat"], ["dog", "cat"]), 1)
    ]
    return Source(write(folder / "t.jsonl", "\n".join(lines)))


@case(error=r"t.json: no COCO file: images.0: input should be")
def coco_of_numbers(folder):
    return Source(write(folder / "t.json", '{"images": [1], "annotations": [2], "categories": 3}'))


@case(error=r"t.json: no COCO file: images.0.id")
def coco_with_lists_for_ids(folder):
    return Source(write(folder / "t.json", '{"images": [{"id": [1]}], "annotations": []}'))


@case(error=r"no Label Studio \(task 1\) file: annotations.0")
def label_studio_of_numbers(folder):
    return Source(write(folder / "t.json", '[{"data": {"image": 3}, "annotations": [3]}]'))
