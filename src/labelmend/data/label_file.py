"""A file of labels that replaces those of an image source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.arrays import class_indices
from labelmend.data.columns import is_one_hot, label_column, missing_labels, one_hot_labels
from labelmend.data.flags import read_flag
from labelmend.data.label_keys import PATH_COLUMNS, find_rows
from labelmend.data.labels import encode_labels, is_empty, name_indices, read_label, sort_class_names
from labelmend.data.listing import Label, LabelPlace, Listing
from labelmend.data.manifest import Columns
from labelmend.data.numpy_files import read_npy, read_npz
from labelmend.data.suggested_labels import MIN_CONFIDENCE, VERDICTS, as_suggested, is_verdict_table
from labelmend.data.tables import TABLE_SUFFIXES, Table, read_table, table_kind
from labelmend.errors import DataError

_LABEL_COLUMNS = ("noisy_label", "label_noisy", "noisy_labels", "label", "labels", "y")
_PATCH_COLUMNS = ("from", "to")


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


def _read(path: Path) -> Table:
    """The columns of a label file; those of a folder are the verdicts of the run in it."""
    if path.is_dir():
        verdicts = path / VERDICTS
        if not verdicts.is_file():
            raise DataError(f"{path} is a folder without {VERDICTS}; give a file of labels, or a run folder")
        return read_table(verdicts)
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        arrays = {"label": read_npy(path)} if suffix == ".npy" else read_npz(path)
        # Images in the same file are of more dimensions.
        columns: dict[str, list[Any]] = {
            name: class_indices(np.atleast_1d(array), str(path)).tolist()
            for name, array in arrays.items()
            if array.ndim < 3
        }
        return Table(path, columns, len(next(iter(columns.values()), [])))
    if table_kind(path) is not None:
        return read_table(path)
    known = ", ".join((*TABLE_SUFFIXES, ".npz", ".npy"))
    raise DataError(f"{path}: cannot read {suffix!r} as a file of labels; give one of {known}")


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
    return found if names is None else name_indices(found, names, str(table.path))


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
    else by the path; without any of them there must be one row for each image, in order. Values are class
    names, or, where not all of them are, class indices. Of a run, or a table of verdicts, those suggested
    labels are taken that are sure enough, and the given ones elsewhere.

    Args:
        listing: all images of the source.
        file: of the labels.
        class_names: classes of the source in index order, or None if only this file names them.

    Raises:
        DataError: If an id is unknown, repeated or missing, or a class is unknown.
    """
    table = _read(file.path)
    suggested = is_verdict_table(table) and file.columns.label == "label"
    notes = []
    if suggested:
        table, note = as_suggested(table, file.path, file.min_confidence)
        notes.append(note)
    column = _column(table, file.columns)
    # An image that a run could not read has no verdict.
    some = file.partial or suggested
    rows = find_rows(table, listing, file.columns.image, file.split, partial=some)
    if file.partial:
        rows = _with_values(table, column, rows)
    named = [row for row in rows if row is not None]
    if some and len(named) < len(rows):
        notes.append(f"{file.path} names {len(named):,} of {len(rows):,} images; the others keep their label")
    true_column = table.first_column(("true_label", "true_labels"))
    labels = dict(zip(named, _labels(table, column, named), strict=True))
    true = {} if true_column is None else dict(zip(named, _labels(table, true_column, named), strict=True))
    given = listing.labels or []
    names = list(
        class_names or sort_class_names(str(value) for value in (*labels.values(), *true.values(), *given))
    )

    def aligned(values: dict[int, Label], before: list[Label] | None) -> list[Label]:
        # In the order of the file, so that an error names its row.
        some_label = next(iter(values.values()), names[0])
        column = [values.get(row, some_label) for row in range(table.num_rows)]
        of_row = [names[label] for label in encode_labels(column, names, str(table.path))]
        if len(named) == len(rows):
            return [of_row[row] for row in named]
        if before is None:
            raise DataError(f"{table.path}: the images that it does not name have no label in {listing.name}")
        kept = encode_labels(before, names, listing.name)
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
