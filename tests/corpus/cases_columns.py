"""Which column of a table is what, where names leave it open."""

from __future__ import annotations

import numpy as np

from corpus.build import put, write
from corpus.cases_tables import PETS, ROWS, of_column, pets
from corpus.registry import Source, case

for image_name, label_name in (
    ("File Names", "Class Name"),
    ("image-path", "labels"),
    ("IMG_PATH", "Targets"),
):
    case(**PETS)(of_column(image_name, label_name))


def text(content: str, name: str = "t.csv"):
    def make(folder):
        pets(folder)
        return Source(write(folder / name, content))

    return make


def named(name: str, make):
    make.__name__ = name
    return make


for column, values in {
    "subset": ("train", "Training", "test"),
    "Usage": ("train", "train", "valid"),
    "data set": ("train", "train", "test"),
    "is_train": ("1", "1", "0"),
    "is_test": ("False", "False", "True"),
}.items():
    rows = zip(ROWS, values, strict=True)
    lines = "".join(f"{file},{label},{value}\n" for (file, label), value in rows)
    case(
        labels=["cat", "dog"],
        test=("cat",),
        notes=[
            rf"splits are those of column '{column}': train 2, (test|val) 1 rows \(--split none takes all\)"
        ],
    )(named(f"splits_in_column_{column.replace(' ', '_')}", text(f"file_name,label,{column}\n{lines}")))


@case(labels=["cat", "dog", "cat"], test=())
def a_fold_is_no_split(folder):
    pets(folder)
    lines = "file_name,label,fold,set\n1.png,cat,0,train\n2.png,dog,1,x\n3.png,cat,2,test\n"
    return Source(write(folder / "t.csv", lines))


case(labels=["a", "b"], notes=["labels are in column 'class', not in 'category', 'target' .--label-column"])(
    named("three_columns_of_labels", text("file_name,target,class,category\n1.png,x,a,q\n2.png,y,b,r\n"))
)
case(labels=["cat", "dog"], notes=["labels are in column 'label', not in 'Label' "])(
    named("columns_that_differ_in_case", text("file_name,Label,label\n1.png,a,cat\n2.png,b,dog\n"))
)

ONE_HOT = {"notes": ["labels are in one-hot columns"], "labels": ["target", "dog", "eel"]}
MARKS = "filename,target,dog,eel\n1.png,1,0,0\n2.png,0,1,0\n3.png,0,0,1\n"
case(**ONE_HOT)(named("one_hot_class_called_target", text(MARKS)))
case(**ONE_HOT)(
    named("one_hot_flags", text(MARKS.replace("1,", "True,").replace(",1", ",true").replace(",0", ",False")))
)
case(**ONE_HOT)(
    named(
        "one_hot_beside_an_age",
        text("filename,target,dog,eel,age\n1.png,1,0,0,40\n2.png,0,1,0,50\n3.png,0,0,1,60\n"),
    )
)
case(labels=["label", "dog", "eel"])(
    named("one_hot_class_called_label", text(MARKS.replace("target", "label")))
)
case(labels=["id", "index"], classes=["id", "index"])(
    named("roboflow_class_called_id", text("filename, id, index\n1.png, 1, 0\n2.png, 0, 1\n", "_classes.csv"))
)
case(error="row 2: 2 of 2 columns are marked")(
    named(
        "roboflow_two_marks_beside_target",
        text("filename, target, b\n1.png, 1, 0\n2.png, 1, 1\n", "_classes.csv"),
    )
)
case(labels=["1", "0"], classes=["0", "1"])(
    named(
        "two_columns_of_flags_of_which_one_is_the_label", text("filename,label,odd\n1.png,1,0\n2.png,0,1\n")
    )
)

case(
    error=r"its first line is no header, but names a file \(1.png, cat\); put a line such as file_name,label"
)(named("no_header", text("1.png,cat\n2.png,dog\n")))
case(**PETS, notes=["read with ';' between"])(
    named("a_line_for_excel", text("sep=;\nfile_name;label\n1.png;cat\n2.png;dog\n3.png;cat\n"))
)
case(**PETS)(
    named(
        "empty_columns_of_a_spreadsheet", text("file_name,label,,\n1.png,cat,,\n2.png,dog,,\n3.png,cat,,\n")
    )
)
case(error="two columns of the header have the same name: 'file_name', 'label', 'label'; rename one")(
    named("a_column_twice", text("file_name,label,label\n1.png,cat,dog\n"))
)
case(error="two columns of the header have the same name: 'file_name', '', ''; rename one")(
    named("two_columns_without_a_name", text("file_name,,\n1.png,cat,dog\n"))
)


@case(error="t.csv: is a zip archive or an Excel file, not text, whatever its name; save it as CSV in UTF-8")
def excel_called_csv(folder):
    (folder / "t.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00" + bytes(range(256)))
    return Source(folder / "t.csv")


def check_plain(job):
    assert all(type(identity) is str for identity in job.train_set.ids)


@case(**PETS, check=check_plain)
def numpy_strings_as_paths(folder):
    pets(folder)
    files = np.array([str(folder / file) for file, _ in ROWS])
    return Source((files, [label for _, label in ROWS]))


UNUSED = {
    "label_column": "breed",
    "image_column": "photo",
    "group_column": "patient",
    "skip_missing": True,
    "image_root": ".",
}
for setting, value in UNUSED.items():
    flag = setting.replace("_", "-")

    def class_folders(folder, setting=setting, value=value):
        return Source(put(folder, "a/1.png", "b/2.png"), {setting: value})

    case(error=f"is not read from a table, so that --{flag} has no effect; leave it out")(
        named(f"{setting}_of_class_folders", class_folders)
    )


@case(error="arrays is not read from a table, so that --group-column has no effect")
def a_group_column_of_arrays(folder):
    images = np.zeros((2, 8, 8), np.uint8)
    return Source((images, ["a", "b"]), {"group_column": "patient"})


@case(labels=["dog", "cat"])
def a_label_column_of_the_file_of_labels(folder):
    put(folder, "cat/1.png", "dog/2.png")
    file = write(folder.parent / "l.csv", "id,label,breed\ncat/1.png,x,dog\ndog/2.png,y,cat\n")
    return Source(folder, {"labels": str(file), "label_column": "breed"})


@case(error="is the folder of a run, not of images; give the images it was trained on")
def a_run_as_data(folder):
    write(folder / "settings.yaml", "seed: 0")
    write(folder / "data.json", "{}")
    return Source(put(folder, "cat/1.png", "dog/2.png"))


case(labels=["a", "b"], notes=["labels are in column 'class'"])(
    named("flags_beside_a_column_of_labels", text("file_name,class,left,right\n1.png,a,1,0\n2.png,b,0,1\n"))
)


def labels_for_two(name: str, array: np.ndarray):
    def make(folder):
        put(folder, "cat/1.png", "dog/2.png")
        np.savez(folder.parent / "l.npz", labels=array, images=np.zeros((2, 8, 8), np.uint8))
        return Source(folder, {"labels": str(folder.parent / "l.npz")})

    return named(f"an_array_of_labels_{name}", make)


case(labels=["dog", "cat"])(labels_for_two("one_hot", np.array([[0, 1], [1, 0]])))
case(labels=["dog", "cat"])(labels_for_two("in_a_column", np.array([[1], [0]])))
case(error="l.npz, labels of shape .1, 2., row 1: 2 of 2 columns are marked")(
    labels_for_two("in_a_row", np.array([[1, 1]]))
)


@case(labels=["cat", "dog", "label", "dog", "cat"])
def a_file_of_one_hot_labels_with_a_class_called_label(folder):
    put(folder, "label/1.png", "label/2.png", "label/3.png", "cat/4.png", "dog/5.png")
    lines = "id,label,dog,cat\nlabel/1.png,1,0,0\nlabel/2.png,0,1,0\nlabel/3.png,0,0,1\n"
    file = write(folder.parent / "l.csv", lines + "cat/4.png,0,0,1\ndog/5.png,0,1,0\n")
    return Source(folder, {"labels": str(file)})
