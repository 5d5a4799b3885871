"""A file of labels that replaces those of an image source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.arrays import class_indices
from labelmend.data.columns import is_one_hot, label_column, missing_labels, one_hot_labels
from labelmend.data.flags import read_flag
from labelmend.data.label_keys import ID_COLUMNS, PATH_COLUMNS, find_rows
from labelmend.data.labels import (
    clean_name,
    encode_labels,
    is_empty,
    name_indices,
    note_of_indices,
    read_label,
    sort_class_names,
)
from labelmend.data.listing import Label, LabelPlace, Listing
from labelmend.data.manifest import Columns
from labelmend.data.numpy_files import read_npy, read_npz
from labelmend.data.suggested_labels import MIN_CONFIDENCE, VERDICTS, as_suggested, is_verdict_table
from labelmend.data.tables import TABLE_SUFFIXES, Table, read_table, table_kind
from labelmend.errors import DataError

_LABEL_COLUMNS = ("noisy_label", "label_noisy", "noisy_labels", "label", "labels", "y")
_PATCH_COLUMNS = ("from", "to")
_TRUE_COLUMNS = ("true_label", "true_labels")


@dataclass(frozen=True)
class LabelFile:
    """Where the labels come from that replace those of a source, and how they are taken.

    Attributes:
        path: CSV, TSV, JSON, JSON lines, Parquet, ``.npz`` or ``.npy`` file; or the folder of a run.
        partial: whether images that it does not name keep their label.
        min_confidence: of a suggested label that is taken from the verdicts of a run, in [0, 1].
        columns: how the columns of a table are read.
        split: which split of the source is read.
    """

    path: Path
    partial: bool = False
    min_confidence: float = MIN_CONFIDENCE
    columns: Columns = field(default_factory=Columns)
    split: str | None = None


def _read(path: Path, label: str) -> tuple[Table, list[str] | None]:
    """The columns of a label file, those of a folder are the verdicts of the run in it; and its class names.

    Only arrays have class names that are of all columns of labels.
    """
    if path.is_dir():
        verdicts = path / VERDICTS
        if not verdicts.is_file():
            raise DataError(f"{path} is a folder without {VERDICTS}; give a file of labels, or a run folder")
        return read_table(verdicts), None
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        arrays = {"label": read_npy(path)} if suffix == ".npy" else read_npz(path)
        arrays = {name: _as_text(array) for name, array in arrays.items()}
        names = arrays.pop("class_names", None)
        return _of_arrays(arrays, path, label), None if names is None else [
            clean_name(str(name)) for name in names.ravel()
        ]
    if table_kind(path) is not None:
        return read_table(path), None
    known = ", ".join((*TABLE_SUFFIXES, ".npz", ".npy"))
    raise DataError(f"{path}: cannot read {suffix!r} as a file of labels; give one of {known}")


def _as_text(array: np.ndarray) -> np.ndarray:
    return np.char.decode(array, "utf-8", "backslashreplace") if array.dtype.kind == "S" else array


def _of_arrays(arrays: dict[str, np.ndarray], path: Path, label: str) -> Table:
    """Arrays as columns. Those of another length than the labels may be of other images and are left out.

    Raises:
        DataError: If one of another length says something about the images.
    """
    # Images in the same file are of more dimensions.
    columns: dict[str, list[Any]] = {
        name: class_indices(np.atleast_1d(array), str(path)).tolist()
        for name, array in arrays.items()
        if array.ndim < 3
    }
    table = Table(path, columns, 0)
    asked = () if label == "label" else (label,)
    usual = table.first_column((*asked, *_LABEL_COLUMNS)) or label_column(table, "label")
    first = usual or next(iter(columns), None)
    rows = 0 if first is None else len(columns[first])
    for name in (*ID_COLUMNS, *PATH_COLUMNS, *_TRUE_COLUMNS, "trusted", "split"):
        other = table.first_column([name])
        if other is not None and len(columns[other]) != rows:
            raise DataError(
                f"{path}: {first!r} has {rows} values, but {other!r} has {len(columns[other])}; "
                "give each image one value in both"
            )
    return Table(path, {name: values for name, values in columns.items() if len(values) == rows}, rows)


def _column(table: Table, columns: Columns) -> str | None:
    """The column of labels; None where they are in one-hot columns.

    Raises:
        DataError: If there is none.
    """
    if columns.label != "label" and (asked := table.find(columns.label)) is not None:
        return asked
    if (usual := table.first_column(_LABEL_COLUMNS)) is not None:
        return None if is_one_hot(table, PATH_COLUMNS, usual) else usual
    if all(table.find(name) for name in _PATCH_COLUMNS):
        return table.find("to")
    found = label_column(table, "label")
    if found is None and one_hot_labels(table, range(table.num_rows), PATH_COLUMNS) is None:
        raise DataError(
            f"{table.path}: no column of labels (one of {', '.join(_LABEL_COLUMNS)}); "
            f"it has {', '.join(table.columns) or 'none'}; choose with --label-column"
        )
    return found


def _labels(table: Table, column: str | None, rows: Sequence[int]) -> list[Label]:
    """Raw labels of some rows; integers that the file itself gives names for are these names."""
    if column is None:
        labels = one_hot_labels(table, rows, PATH_COLUMNS)
        if labels is None:
            raise missing_labels(table, "label")
        return labels
    values = table.columns[column]
    found = [read_label(values[row], f"{table.path}, row {row + 1}") for row in rows]
    names = table.class_names.get(column)
    return found if names is None else name_indices(found, names, _rows_of(table, rows))


def _rows_of(table: Table, rows: Sequence[int]) -> Callable[[int], str]:
    """Names the row of the table that a label stands in, by its position among those of ``rows``."""
    return lambda position: f"{table.path}, row {rows[position] + 1}"


def _with_values(table: Table, column: str | None, rows: list[int | None]) -> list[int | None]:
    """Rows whose label is empty as rows that are not there."""
    if column is None:
        return rows
    values = table.columns[column]
    return [None if row is None or is_empty(values[row]) else row for row in rows]


def replace_labels(listing: Listing, file: LabelFile, class_names: Sequence[str] | None) -> Listing:
    """The listing with given labels from a file, and true labels and flags where it has them.

    The labels are in the column that ``--label-column`` names, else ``noisy_label``, ``label_noisy``,
    ``noisy_labels``, ``label``, ``labels`` or ``y``, the first of these that is there, else where a table of
    images may have them; in a patch they are the column ``to``. Rows belong to images by ``id`` (or ``ids``),
    else by the path; without any of them there must be one row for each image, in order, which is noted.
    Values are class names, or class indices (``encode_labels``); integers of an ``.npz`` file with
    ``class_names`` are indices into these. Of a run, or a table of verdicts without such a column, those
    suggested labels are taken that are sure enough, and the given ones elsewhere.

    Args:
        listing: all images of the source.
        file: of the labels.
        class_names: classes of the source in index order, or None if only this file names them.

    Raises:
        DataError: If an id is unknown, repeated or missing, or a class is unknown; or if ``--label-column``
            names a column that neither the file nor the source can have.
    """
    table, names_of_all = _read(file.path, file.columns.label)
    verdicts = is_verdict_table(table) and file.columns.label == "label"
    suggested = verdicts and table.first_column(_LABEL_COLUMNS) is None
    notes = [*table.notes]
    if verdicts and not suggested:
        notes.append(f"{file.path} holds verdicts and labels: the labels are taken, not what is suggested")
    if suggested:
        table, note = as_suggested(table, file.path, file.min_confidence)
        notes.append(note)
    column = _column(table, file.columns)
    asked = file.columns.label
    if asked != "label" and table.find(asked) is None:
        if listing.class_folders is not None:
            raise DataError(
                f"{file.path}: there is no column {asked!r}, which --label-column names; it has "
                f"{', '.join(table.columns) or 'none'}"
            )
        shown = "its columns of classes are" if column is None else f"its column {column!r} is"
        notes.append(f"{file.path} has no column {asked!r} (--label-column): {shown} taken for the labels")
    true_column = table.first_column(_TRUE_COLUMNS)
    if names_of_all is not None:
        named_columns = [name for name in (column, true_column) if name is not None]
        table = replace(table, class_names=dict.fromkeys(named_columns, names_of_all))
    # An image that a run could not read has no verdict.
    some = file.partial or suggested
    rows, assumed = find_rows(table, listing, file.columns.image, file.split, partial=some, label=column)
    notes += assumed
    if file.partial:
        rows = _with_values(table, column, rows)
    # In the order of the file, so that an error is the first there.
    named = sorted(row for row in rows if row is not None)
    if some and len(named) < len(rows):
        notes.append(f"{file.path} names {len(named):,} of {len(rows):,} images; the others keep their label")
    labels = _labels(table, column, named)
    true = [] if true_column is None else _labels(table, true_column, named)
    given = listing.labels or []
    names = list(
        class_names
        or table.class_names.get(column or "")
        or sort_class_names(str(value) for value in (*labels, *true, *given))
    )
    notes += note_of_indices(labels, names, str(table.path))

    def aligned(values: list[Label], before: list[Label] | None) -> list[Label]:
        encoded = encode_labels(values, names, _rows_of(table, named))
        of_row = {row: names[label] for row, label in zip(named, encoded, strict=True)}
        if len(named) == len(rows):
            return [of_row[row] for row in rows if row is not None]
        if before is None:
            raise DataError(f"{table.path}: the images that it does not name have no label in {listing.name}")
        kept = encode_labels(before, names, lambda image: f"{listing.name}, image {listing.ids[image]!r}")
        return [names[kept[i]] if row is None else of_row[row] for i, row in enumerate(rows)]

    is_table = table_kind(file.path) is not None and not suggested
    return replace(
        listing,
        labels=aligned(labels, listing.labels),
        class_names=names,
        true_labels=aligned(true, listing.true_labels)
        if true and (len(named) == len(rows) or listing.true_labels is not None)
        else listing.true_labels,
        trusted=_trusted(table, rows, listing.trusted),
        label_place=LabelPlace(file.path, column, rows, table.num_rows) if is_table else None,
        class_folders=None,
        notes=[*listing.notes, *notes],
    )


def _trusted(table: Table, rows: list[int | None], before: list[bool] | None) -> list[bool] | None:
    """Flags of the file, or those of the source where it has none."""
    column = table.find("trusted")
    if column is None:
        return before
    flags, name = table.columns[column], table.path
    return [
        (before is not None and before[i]) if row is None else read_flag(flags[row], f"{name}, row {row + 1}")
        for i, row in enumerate(rows)
    ]
