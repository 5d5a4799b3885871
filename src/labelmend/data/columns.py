"""Which column of a table is what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.labels import is_empty, one_hot_indices, read_label
from labelmend.data.listing import Label
from labelmend.data.locate import Locator
from labelmend.data.splits import SPLIT_COLUMNS
from labelmend.data.tables import Table
from labelmend.errors import DataError, UnlabelledError

IMAGE_COLUMNS = (
    "file_name",
    "path",
    "image",
    "img",
    "filename",
    "file",
    "filepath",
    "file_path",
    "image_path",
)
MORE_IMAGE_COLUMNS = (
    "img_path",
    "image_file",
    "image_name",
    "fname",
    "image_id",
    "img_id",
    "name",
    "url",
    "image_url",
    "id",
)
_LABEL_COLUMNS = (
    "labels",
    "class",
    "class_name",
    "classname",
    "category",
    "category_name",
    "target",
    "choice",
)
_MORE_LABEL_COLUMNS = (
    "y",
    "label_name",
    "class_label",
    "noisy_label",
    "given_label",
    "class_id",
    "category_id",
)
_KEPT_COLUMNS = {"id", "trusted", "true_label", "width", "height", "index", "", *SPLIT_COLUMNS}
_ROBOFLOW = "_classes.csv"
_FLAGS = {"true": 1.0, "false": 0.0}
_USUAL_LABEL_COLUMNS = (*_LABEL_COLUMNS, *_MORE_LABEL_COLUMNS)
_LOOKED_AT = 20


def image_column(table: Table, wanted: str | None, locator: Locator) -> str:
    """The column of images: the one asked for, one of the schema, or one of a usual name that leads to files.

    Raises:
        DataError: If there is none.
    """
    if wanted is not None:
        table.require_column(wanted, "--image-column")
        return table.find(wanted) or wanted
    names = [*table.image_columns, *_usual(table, (*IMAGE_COLUMNS, *MORE_IMAGE_COLUMNS))]
    if not names:
        if any(PurePath(column).suffix.lower() in IMAGE_SUFFIXES for column in table.columns):
            raise DataError(
                f"{table.path}: its first line is no header, but names a file ({', '.join(table.columns)}); "
                "put a line such as file_name,label before it"
            )
        raise DataError(
            f"{table.path}: there is no image column (one of {', '.join(IMAGE_COLUMNS)}); "
            f"it has {', '.join(table.columns) or 'none'}; choose with --image-column"
        )
    return next((name for name in names if _leads_to_images(table.columns[name], locator)), names[0])


def describes_images(table: Table, locator: Locator) -> bool:
    """Whether a table has a column of images: by its schema, by its name, or as its values lead to files."""
    if table.image_columns or _usual(table, IMAGE_COLUMNS):
        return True
    return any(_leads_to_images(table.columns[name], locator) for name in _usual(table, MORE_IMAGE_COLUMNS))


def _usual(table: Table, names: Sequence[str]) -> list[str]:
    """Columns of usual names, in the order of these."""
    found = (table.first_column([name]) for name in names)
    return list(dict.fromkeys(name for name in found if name is not None))


def _leads_to_images(values: Sequence[Any], locator: Locator) -> bool:
    for value in values[:_LOOKED_AT]:
        if isinstance(value, str | int | Path):
            try:
                if locator.find(str(value), "")[0] is not None:
                    return True
            except DataError:
                return True
        elif value is not None and not isinstance(value, float):
            return True
    return False


def label_column(table: Table, wanted: str) -> str | None:
    """The column of given labels: of the name asked for, of the schema, or of a usual name; None if none.

    Raises:
        DataError: If the schema has several columns of classes.
    """
    found = table.find(wanted)
    if found is not None or wanted != "label":
        return found
    if len(table.class_names) > 1:
        raise DataError(
            f"{table.path}: there is no column 'label', but several of classes: "
            f"{', '.join(table.class_names)}; choose with --label-column"
        )
    return next(iter(table.class_names), None) or table.first_column(_USUAL_LABEL_COLUMNS)


def other_label_columns(table: Table, column: str) -> list[str]:
    """Further columns whose names are usual for labels, or differ from that of ``column`` in form only."""
    found = (table.first_column([name]) for name in _USUAL_LABEL_COLUMNS)
    usual = [] if column == "label" else [name for name in found if name is not None]
    alike = [name for name in table.columns if name.strip().lower() == column.strip().lower()]
    return [name for name in dict.fromkeys([*usual, *alike]) if name != column]


def _is_kept(name: str) -> bool:
    return name.strip().lower() in _KEPT_COLUMNS or name.lower().startswith("unnamed:")


def _number(value: Any) -> float | None:
    """A number, also one written as text; true and false are 1 and 0."""
    text = str(value).strip().lower()
    try:
        return _FLAGS[text] if text in _FLAGS else float(text)
    except ValueError:
        return None


def _binary(table: Table, other: Collection[str]) -> tuple[list[str], bool]:
    """Columns of zeros and ones only, and whether nothing else is left besides those that are not classes."""
    of_roboflow = table.path.name == _ROBOFLOW
    taken = {name.lower() for name in other}
    left = [n for n in table.columns if n.lower() not in taken and (of_roboflow or not _is_kept(n))]
    found = [name for name in left if all(_number(value) in (0, 1) for value in table.columns[name])]
    return found, len(found) == len(left)


def is_one_hot(table: Table, other: Collection[str], column: str | None = None) -> bool:
    """Whether there are columns of zeros and ones of which just one is marked in each row.

    Args:
        table: that holds them.
        other: columns that hold something else.
        column: that must be one of them: a class can be called ``target``.
    """
    names, _ = _binary(table, other)
    if column is not None and column not in names:
        return False
    if table.path.name == _ROBOFLOW:
        return True
    if len(names) < (3 if "label" in names else 2) or not table.num_rows:
        return False
    return all(sum(row) == 1 for row in _matrix(table, names, range(table.num_rows)))


def _matrix(table: Table, names: Sequence[str], rows: Sequence[int]) -> list[list[float]]:
    return [[_number(table.columns[name][row]) or 0.0 for name in names] for row in rows]


def one_hot_labels(table: Table, rows: Sequence[int], other: Collection[str]) -> list[Label] | None:
    """Labels in one-hot columns, one for each class; None where the columns are no such.

    Args:
        table: of which no column holds the labels.
        rows: to read.
        other: columns that hold something else.

    Raises:
        DataError: If a row marks no class, or several.
    """
    names, is_all = _binary(table, other)
    if len(names) < 2 or not rows or not (is_all or is_one_hot(table, other)):
        return None
    matrix = np.asarray(_matrix(table, names, rows))
    return [names[index] for index in one_hot_indices(matrix, str(table.path))]


def read_labels(table: Table, column: str, rows: Sequence[int]) -> list[Label]:
    """Raw labels of some rows.

    Raises:
        UnlabelledError: If all of them are empty, or the -1 of a data set without labels.
        DataError: If one is empty.
    """
    values = table.columns[column]
    if rows and all(is_empty(values[row]) or str(values[row]).strip() in ("-1", "-1.0") for row in rows):
        raise UnlabelledError(f"{table.path}: all labels in column {column!r} are empty or -1")
    return [read_label(values[row], f"{table.path}, row {row + 1}, column {column!r}") for row in rows]


def missing_labels(table: Table, wanted: str) -> UnlabelledError:
    """The error that a table has no labels."""
    return UnlabelledError(
        f"{table.path}: there is no column {wanted!r}; it has {', '.join(table.columns) or 'none'}; "
        "choose with --label-column"
    )
