"""What labels look like once a table, a tool or a person has written them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from corpus.build import put, write
from corpus.cases_tables import PETS, pets, table
from corpus.registry import Source, case


def labelled(*labels: str):
    """A table of three images with these labels, separated by semicolons so that labels may hold commas."""

    def make(folder):
        pets(folder)
        rows = [(f"{n}.png", label) for n, label in enumerate(labels, start=1)]
        return Source(table(folder, rows=rows, delimiter=";"))

    return make


def named(name: str, make):
    make.__name__ = name
    return make


for name, labels in {
    "python": ("['cat']", "['dog']", "['cat']"),
    "json": ('["cat"]', '["dog"]', '["cat"]'),
    "of_bytes": ("b'cat'", "b'dog'", "b'cat'"),
    "of_tuples": ("('cat',)", "('dog',)", "('cat',)"),
    "of_sets": ("{'cat'}", "{'dog'}", "{'cat'}"),
    "of_objects": ("{'label': 'cat'}", "{'label': 'dog'}", "{'label': 'cat'}"),
    "mixed": ("cat", "['dog']", " ['cat ']"),
}.items():
    # Quotes within a value are doubled in a CSV file.
    texts = tuple(f'"{label.replace(chr(34), chr(34) * 2)}"' if '"' in label else label for label in labels)
    case(**PETS)(named(f"wrapped_labels_as_text_{name}", labelled(*texts)))

case(error=r"row 1, column 'label': the label is \['cat', 'dog'\] \(list\)")(
    named("several_labels_as_text", labelled("['cat', 'dog']", "['dog']", "['cat']"))
)
case(classes=["(a)", "[b", "{c}"])(named("names_in_brackets_stay", labelled("(a)", "[b", "{c}")))

for name, labels, alike in (
    ("leading_zero", ("01", "1", "2"), "'01' and '1'"),
    ("fraction", ("1.0", "1", "2"), "'1' and '1.0'"),
    ("exponent", ("1e3", "1000", "2"), "'1000' and '1e3'"),
    ("case", ("True", "true", "False"), "'True' and 'true'"),
):
    case(notes=[f"nearly the same name are kept apart: {alike};"])(
        named(f"near_numbers_{name}", labelled(*labels))
    )


case(classes=["-1", "1", "2"], notes=["-1 is taken for a class like any other; leave such images out"])(
    named("some_labels_of_minus_one", labelled("-1", "1", "2"))
)
for mark, joined in (("bar", "cat|dog"), ("comma", "dog, cat"), ("blank", "cat dog"), ("plus", "cat + dog")):
    case(notes=["'(cat|dog).*(cat|dog)' may be several labels in one, as each part is a class too"])(
        named(f"labels_joined_by_a_{mark}", labelled(joined, "dog", "cat"))
    )


@case(classes=[r"\xfe", r"\xff"], labels=[r"\xff", r"\xfe"])
def bytes_that_are_no_text_stay_apart(folder):
    put(folder, "1.png", "2.png")
    return Source(([str(folder / "1.png"), str(folder / "2.png")], [b"\xff", b"\xfe"]))


IMAGES = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)


@case(error="labels are a dict; give a list or an array, in the order of the images")
def labels_by_row(folder):
    return Source((IMAGES, {0: "cat", 1: "dog", 2: "cat"}))


@case(error="labels are a set; give a list")
def labels_without_an_order(folder):
    return Source((IMAGES, {"cat", "dog", "eel"}))


@case(error="labels are a dict; give a list")
def paths_and_labels_by_row(folder):
    put(folder, "1.png", "2.png")
    return Source(([str(folder / "1.png"), str(folder / "2.png")], {0: "cat", 1: "dog"}))


@case(error="'label' is a dict, not a column")
def a_dictionary_of_dictionaries(folder):
    put(folder, "1.png", "2.png")
    return Source({"image": [str(folder / "1.png"), str(folder / "2.png")], "label": {0: "cat", 1: "dog"}})


@case(labels=["cat", "dog", "cat"])
def labels_in_a_frame_of_one_column(folder):
    return Source((IMAGES, pd.DataFrame({"y": ["cat", "dog", "cat"]}, index=[5, 6, 7])))


@case(error="DataFrame: there are several columns 'label'; rename or drop all but one")
def a_frame_with_two_columns_of_labels(folder):
    put(folder, "1.png", "2.png")
    rows = [[str(folder / "1.png"), "cat", "dog"], [str(folder / "2.png"), "dog", "cat"]]
    return Source(pd.DataFrame(rows, columns=["path", "label", "label"]))


class Broken(Dataset):
    """Its second item cannot be read."""

    def __len__(self):
        return 3

    def __getitem__(self, row):
        if row == 1:
            raise OSError("the disk is on fire")
        return IMAGES[row], row % 2


@case(error=r"item 1 of the data set cannot be read \(OSError: the disk is on fire\); leave it out")
def a_data_set_that_raises(folder):
    return Source(Broken())


class BrokenWithTargets(Broken):
    targets = (0, 1, 1)


@case(labels=["0", "1"], skipped=["1: the disk is on fire"])
def a_data_set_that_raises_and_has_targets(folder):
    return Source(BrokenWithTargets())


@case(notes=["--pixel-range changes nothing, as all images have 8 bits"])
def a_pixel_range_for_eight_bits(folder):
    return Source(put(folder, "a/1.png", "b/2.png"), {"pixel_range": [0, 20]})


@case(labels=["a", "b"], skipped=["a/3.png: not an image in a known format"])
def postscript_called_png(folder):
    put(folder, "a/1.png", "b/2.png")
    write(folder / "a/3.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    return Source(folder)


@case(notes=["--pixel-range changes nothing, as all images have 8 bits"])
def a_pixel_range_for_arrays_of_bytes(folder):
    return Source((IMAGES, ["a", "b", "a"]), {"pixel_range": [0, 1]})


@case(error="arrays.npz: there is no image to test on; --test none leaves it out")
def a_test_set_without_images(folder):
    file = folder.parent / "arrays.npz"
    np.savez(file, images=IMAGES[:0], labels=np.zeros(0, np.int64))
    return Source((IMAGES, ["0", "1", "0"]), {"test": str(file)})
