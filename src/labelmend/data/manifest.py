"""A table of images: CSV, TSV, JSON lines or Parquet, with file names or embedded images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelmend.data.image_file import Encoded
from labelmend.data.labels import name_indices, read_label
from labelmend.data.listing import Label, Listing
from labelmend.data.splits import choose_split, refuse_split, standard_split
from labelmend.data.tables import Table
from labelmend.errors import DataError

IMAGE_COLUMNS = ("file_name", "path", "image", "img")
_TRUE, _FALSE = ("true", "1", "yes", "y"), ("false", "0", "no", "n", "", "none")


def manifest_splits(tables: Sequence[Table]) -> list[str]:
    """Splits named by the ``split`` column, in order of appearance; empty without that column."""
    values = (value for table in tables for value in table.columns.get("split", []))
    return list(dict.fromkeys(standard_split(str(value)) for value in values))


def list_tables(
    tables: Sequence[Table], name: str, split: str | None, label_column: str, *, labelled: bool = True
) -> Listing:
    """List the images of a manifest that is stored as one or more tables, in order.

    Args:
        tables: parts of the manifest; file names are relative to the folder of their part.
        name: what to call it in messages.
        split: which value of the ``split`` column to keep; by default ``train`` if there is the column.
        label_column: column of the given labels.
        labelled: False to read images only, those of all splits.

    Raises:
        DataError: If a column is missing, a file is not there, a label is empty, two rows have one id.
    """
    splits = manifest_splits(tables) if labelled else []
    if splits:
        split = choose_split(splits, split, name)
    else:
        refuse_split(split, name)
    ids: list[str] = []
    paths: list[str] = []
    items: list[Encoded] = []
    labels: list[Label] = []
    true_labels: list[Label] = []
    trusted: list[bool] = []
    origins: list[str] = []
    has_true = labelled and all("true_label" in table.columns for table in tables)
    has_trusted = labelled and all("trusted" in table.columns for table in tables)
    before = 0
    for table in tables:
        rows = _rows_of_split(table, split)
        image_column = table.first_column(IMAGE_COLUMNS)
        if image_column is None:
            raise DataError(
                f"{table.path}: there is no image column (one of {', '.join(IMAGE_COLUMNS)}); "
                f"it has {', '.join(table.columns) or 'none'}"
            )
        images = table.columns[image_column]
        own_ids = table.columns.get("id")
        for row in rows:
            where = f"{table.path}, row {row + 1}"
            item, path = _read_image(images[row], table.path.parent, where)
            items.append(item)
            paths.append(path)
            embedded = not isinstance(item, Path)
            ids.append(_read_id(own_ids[row], where) if own_ids else str(before + row) if embedded else path)
            origins.append(where)
        if labelled:
            labels += _read_labels(table, label_column, rows, "--label-column")
            if has_true:
                true_labels += _read_labels(table, "true_label", rows)
            if has_trusted:
                trusted += [read_flag(table.columns["trusted"][row], table.path, row) for row in rows]
        before += table.num_rows
    _refuse_duplicates(ids, origins)
    return Listing(
        name=name,
        ids=ids,
        paths=paths,
        items=items,
        labels=labels if labelled else None,
        class_names=tables[0].class_names.get(label_column) if labelled and tables else None,
        true_labels=true_labels if has_true else None,
        trusted=trusted if has_trusted else None,
    )


def _rows_of_split(table: Table, split: str | None) -> list[int]:
    values = table.columns.get("split")
    if split is None or values is None:
        return list(range(table.num_rows))
    return [row for row, value in enumerate(values) if standard_split(str(value)) == split]


def _read_image(value: Any, folder: Path, where: str) -> tuple[Encoded, str]:
    """The image of one row, and its path as written ("" for an embedded image without one)."""
    path = value
    if isinstance(value, bytes):
        return value, ""
    if isinstance(value, dict):
        path = value.get("path")
        if value.get("bytes") is not None:
            return value["bytes"], path or ""
    if not isinstance(path, str) or not path:
        raise DataError(f"{where}: the row names no image; fill it in or leave the row out")
    file = folder / path
    if not file.is_file():
        raise DataError(f"{where}: there is no file {path!r} (looked for {file})")
    return file, path


def _read_id(value: Any, where: str) -> str:
    if value is None or value == "":
        raise DataError(f"{where}: the id is empty; give every row an id or leave the column out")
    return str(value)


def read_flag(value: Any, path: Path, row: int) -> bool:
    """A yes or no of a table; a DataError names the row (from 0) of any other value."""
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise DataError(f"{path}, row {row + 1}: trusted is {value!r}, expected true or false")


def _read_labels(table: Table, column: str, rows: Sequence[int], flag: str = "") -> list[Label]:
    values = table.require_column(column, flag)
    labels = [read_label(values[row], f"{table.path}, row {row + 1}, column {column!r}") for row in rows]
    names = table.class_names.get(column)
    return labels if names is None else name_indices(labels, names, str(table.path))


def _refuse_duplicates(ids: Sequence[str], origins: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for row, identity in enumerate(ids):
        if identity in first:
            raise DataError(
                f"{origins[row]}: id {identity!r} is already that of {origins[first[identity]]}; "
                "give each row its own id in a column 'id'"
            )
        first[identity] = row
