from __future__ import annotations

from pathlib import Path

import pytest

from labelmend.data.label_keys import find_rows
from labelmend.data.listing import Listing
from labelmend.data.tables import Table
from labelmend.errors import DataError

PATHS = ["cat/1.png", "cat/2.png", "dog/1.png"]
PETS = Listing("pets", PATHS, PATHS)
ARRAYS = Listing("arrays", ["a", "b", "c"], [""] * 3)


def rows_of(columns, listing=PETS, image=None, partial=False, label="label"):
    columns = {name: list(values) for name, values in columns.items()}
    table = Table(Path("labels.csv"), columns, len(next(iter(columns.values()))))
    return find_rows(table, listing, image, None, partial=partial, label=label)


@pytest.mark.parametrize(
    "column",
    ["id", "path", "image_id", "img_id", "Image Name", "file-name", "Filenames", "url", "image_url", "name"],
)
def test_columns_of_usual_names_name_the_images(column):
    assert rows_of({column: PATHS[::-1], "label": "xyz"}) == ([2, 1, 0], [])


def test_ids_may_stand_in_a_column_of_images():
    assert rows_of({"image_id": "cba", "label": "xyz"}, ARRAYS) == ([2, 1, 0], [])
    assert rows_of({"image_id": "cba", "label": "xyz"}, Listing("pets", list("abc"), PATHS))[0] == [2, 1, 0]


def test_numbers_with_gaps_are_whole_all_the_same():
    digits = Listing("digits", ["0", "1", "2"], [""] * 3)
    assert rows_of({"id": [2.0, 1.0, 0.0], "label": "xyz"}, digits) == ([2, 1, 0], [])


def test_another_column_that_holds_the_paths_is_taken_with_a_note():
    note = "labels.csv: column 'key' names the images (--image-column)"
    assert rows_of({"label": "xyz", "key": PATHS[::-1]}) == ([2, 1, 0], [note])
    assert rows_of({"id": "xyz", "key": PATHS[::-1]}) == ([2, 1, 0], [note])
    assert rows_of({"label": "x", "key": PATHS[2:]}, partial=True) == ([None, None, 0], [note])
    assert rows_of({"label": "xyz", "key": PATHS[::-1]}, image="key") == ([2, 1, 0], [])


def test_without_names_rows_are_in_order_with_a_note():
    order = [
        "labels.csv: labels are taken in the order of the images, as no column names these; a column 'id' or "
        "'path' does"
    ]
    assert rows_of({"label": "xyz", "width": [8, 9, 8]}) == ([0, 1, 2], order)
    assert rows_of({"name": PATHS[::-1], "size": "xyz"}, label="name") == ([0, 1, 2], order)
    # Neither embedded images nor empty cells name anything.
    pictures = [{"bytes": b"x", "path": "1.png"}] * 3
    assert rows_of({"image": pictures, "url": ["", None, " "], "label": "xyz"}) == ([0, 1, 2], order)


@pytest.mark.parametrize("value", ["", None, float("nan"), True, 0.5, ["cat/2.png"]])
def test_a_row_that_names_no_image_is_refused(value):
    columns = {"file_name": [PATHS[0], value, PATHS[2]], "label": "xyz"}
    with pytest.raises(DataError, match=r"^labels.csv, row 2: column 'file_name', .*; fill it in or leave"):
        rows_of(columns)
    # A column that names them all goes before.
    assert rows_of({**columns, "path": PATHS[::-1]})[0] == [2, 1, 0]


@pytest.mark.parametrize("names", [["p", "p", "q"], ["p", "q", "r"], [7, 8, 9]])
def test_a_column_that_names_other_things_is_refused_with_a_way_out(names):
    with pytest.raises(DataError, match="leave column 'image_id' out if it names no images"):
        rows_of({"image_id": names, "label": "xyz"})


def test_images_in_memory_are_named_by_their_ids():
    with pytest.raises(DataError, match=r"arrays has no image with id 'x' \(its first is 'a'\)"):
        rows_of({"file_name": "xyz", "label": "xyz"}, ARRAYS)
