"""A table of images: file names or embedded images, labels, ids, splits."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from labelmend.data.arrays import image_item
from labelmend.data.columns import (
    IMAGE_COLUMNS,
    image_column,
    is_one_hot,
    label_column,
    missing_labels,
    one_hot_labels,
    other_label_columns,
    read_labels,
)
from labelmend.data.flags import read_flag
from labelmend.data.image_file import Encoded
from labelmend.data.image_set import Skipped
from labelmend.data.labels import is_empty, list_classes, name_indices
from labelmend.data.listing import Label, LabelPlace, Listing
from labelmend.data.locate import Locator
from labelmend.data.row_splits import row_splits
from labelmend.data.splits import NO_SPLITS, choose_split, refuse_split, split_of
from labelmend.data.tables import Table
from labelmend.data.walk import is_hidden, is_image_file
from labelmend.errors import DataError, LabelmendWarning

_NAMED = 3


@dataclass(frozen=True)
class Columns:
    """How the columns of a table are read.

    Attributes:
        label: column of the given labels.
        image: column of the images; by default one of a usual name.
        group: column whose equal values keep images together, or None.
        root: folder that file names are relative to; by default that of the table.
        skip_missing: leave out rows whose file is missing.
        labelled: False to read images only, those of all splits.
    """

    label: str = "label"
    image: str | None = None
    group: str | None = None
    root: Path | None = None
    skip_missing: bool = False
    labelled: bool = True


@dataclass
class _Rows:
    """What is read of the rows, one after another."""

    rows: list[int | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    items: list[Encoded] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    true_labels: list[Label] = field(default_factory=list)
    trusted: list[bool] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    own_ids: list[Any] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    searched: int = 0
    class_names: list[str] | None = None
    label_column: str | None = None
    notes: dict[str, None] = field(default_factory=dict)


def manifest_splits(tables: Sequence[Table]) -> list[str]:
    """Splits of the rows, in order of appearance; empty where nothing tells them apart (``row_splits``)."""
    found = (row_splits(table) for table in tables)
    return list(dict.fromkeys(split for of_table in found if of_table for split in of_table[0]))


def list_tables(tables: Sequence[Table], name: str, split: str | None, columns: Columns) -> Listing:
    """List the images of a manifest that is stored as one or more tables, in order.

    Args:
        tables: parts of the manifest; file names are relative to the folder of their part.
        name: what to call it in messages.
        split: which split of the rows to keep; by default ``train`` if they have any.
        columns: how the columns are read.

    Raises:
        UnlabelledError: If there are no labels at all.
        DataError: If a column or file is missing, a label is empty, two rows have one id.

    Warns:
        LabelmendWarning: If the values of a column ``id`` repeat, so that they are no ids.
    """
    splits = manifest_splits(tables) if columns.labelled else []
    if splits and split != NO_SPLITS:
        split = choose_split(splits, split, name)
    else:
        refuse_split(split, name)
        split = None
    found = _Rows()
    before = 0
    folders: dict[Path, set[str]] = {}
    for table in tables:
        _read_table(table, split, columns, found, before, folders)
        before += table.num_rows
    skipped = [entry for table in tables for entry in table.skipped]
    skipped += _missing(found, columns, name)
    if columns.labelled:
        skipped += _unlisted(found.items, folders)
    _settle_ids(found, name)
    if found.searched:
        found.notes[
            f"{found.searched:,} images were found by their names, not at their paths "
            "(--image-root names the folder that paths start from)"
        ] = None
    return Listing(
        name=name,
        ids=found.ids,
        paths=found.paths,
        items=found.items,
        labels=found.labels if columns.labelled else None,
        class_names=found.class_names,
        true_labels=found.true_labels if _all_have(tables, "true_label", columns) else None,
        trusted=found.trusted if _all_have(tables, "trusted", columns) else None,
        groups=found.groups if columns.labelled and columns.group is not None else None,
        label_place=_label_place(tables, found, columns),
        from_table=True,
        skipped=skipped,
        notes=list(dict.fromkeys([*(note for table in tables for note in table.notes), *found.notes])),
    )


def _label_place(tables: Sequence[Table], found: _Rows, columns: Columns) -> LabelPlace | None:
    """The cells of the labels, where these are in one file."""
    if not columns.labelled or len(tables) != 1 or not tables[0].path.is_file():
        return None
    return LabelPlace(tables[0].path, found.label_column, found.rows, tables[0].num_rows)


def _all_have(tables: Sequence[Table], column: str, columns: Columns) -> bool:
    return columns.labelled and all(table.find(column) is not None for table in tables)


def _read_table(
    table: Table,
    split: str | None,
    columns: Columns,
    found: _Rows,
    before: int,
    folders: dict[Path, set[str]],
) -> None:
    """Add the rows of one table."""
    folder = columns.root or table.folder or table.path.parent
    locator = Locator(folder, split_of(table.path.name.partition(".")[0]))
    image_name = image_column(table, columns.image, locator)
    if image_name.lower() not in IMAGE_COLUMNS and image_name not in (columns.image, *table.image_columns):
        found.notes[f"images are in column {image_name!r} (--image-column)"] = None
    images = table.columns[image_name]
    id_name = table.find("id")
    own_ids = table.columns[id_name] if id_name is not None and id_name != image_name else None
    rows = []
    for row in _rows_of_split(table, split, found):
        where = f"{table.path}, row {row + 1}"
        item, path = _read_image(images[row], locator, where, found)
        if item is None:
            found.missing.append((where, path))
            continue
        rows.append(row)
        found.rows.append(row)
        found.items.append(item)
        found.paths.append(path)
        found.ids.append(path if isinstance(item, Path) else str(before + row))
        found.own_ids.append(None if own_ids is None else own_ids[row])
        found.origins.append(where)
    _note_listed(images, folders, folder)
    if columns.labelled:
        found.labels += _labels(table, rows, columns, image_name, found)
        if (true := table.find("true_label")) is not None:
            found.true_labels += _named(table, true, read_labels(table, true, rows))
        if (flags := table.find("trusted")) is not None:
            column = table.columns[flags]
            found.trusted += [read_flag(column[row], f"{table.path}, row {row + 1}") for row in rows]
        if columns.group is not None:
            groups = table.require_column(columns.group, "--group-column")
            found.groups += [_group(groups[row], f"{table.path}, row {row + 1}") for row in rows]


def _labels(
    table: Table, rows: Sequence[int], columns: Columns, image_name: str, found: _Rows
) -> list[Label]:
    """Given labels, from a column of labels or from one-hot columns."""
    other = (image_name,) if columns.group is None else (image_name, columns.group)
    is_asked = columns.label != "label"
    column = label_column(table, columns.label)
    if column is not None and not is_asked and is_one_hot(table, other, column):
        column = None
    found.class_names = table.class_names.get(column or "")
    found.label_column = column
    if column is None:
        labels = None if is_asked else one_hot_labels(table, rows, other)
        if labels is None:
            raise missing_labels(table, columns.label)
        found.notes[
            "labels are in one-hot columns, one for each class (--label-column names a single one)"
        ] = None
        return labels
    others = [] if is_asked else other_label_columns(table, column)
    if others or column.lower() != columns.label.lower():
        instead = f", not in {list_classes([repr(name) for name in others])}" if others else ""
        found.notes[f"labels are in column {column!r}{instead} (--label-column)"] = None
    return _named(table, column, read_labels(table, column, rows))


def _named(table: Table, column: str, labels: list[Label]) -> list[Label]:
    names = table.class_names.get(column)
    return labels if names is None else name_indices(labels, names, str(table.path))


def _group(value: Any, where: str) -> str:
    # Rows without a value belong to no other.
    return f"({where})" if is_empty(value) else str(value)


def _rows_of_split(table: Table, split: str | None, found: _Rows) -> list[int]:
    divided = None if split is None else row_splits(table)
    if divided is None:
        return list(range(table.num_rows))
    splits, said_by = divided
    if said_by:
        counts = ", ".join(f"{name} {count:,}" for name, count in Counter(splits).items())
        found.notes[f"splits are those of {said_by}: {counts} rows (--split none takes all)"] = None
    return [row for row, of_row in enumerate(splits) if of_row == split]


def _read_image(value: Any, locator: Locator, where: str, found: _Rows) -> tuple[Encoded | None, str]:
    """The image of one row, None where its file is missing; and its path as written, "" if it has none."""
    path = value
    if isinstance(value, bytes):
        return value, ""
    if isinstance(value, np.ndarray | Tensor | Image.Image):
        return image_item(value, where), ""
    if isinstance(value, dict):
        path = value.get("path")
        if value.get("bytes") is not None:
            return value["bytes"], path or ""
    if isinstance(path, os.PathLike) or (isinstance(path, int | np.integer) and not isinstance(path, bool)):
        path = str(path)
    if not isinstance(path, str) or not path:
        raise DataError(f"{where}: the row names no image; fill it in or leave the row out")
    path = str(path)  # not a NumPy string
    file, searched = locator.find(path, where)
    found.searched += searched
    return file, path


def _missing(found: _Rows, columns: Columns, name: str) -> list[Skipped]:
    """Rows whose file is missing, as left out; an error unless that is asked for.

    Raises:
        DataError: If there are any, and they are not to be skipped or are all there is.
    """
    if found.missing and (not columns.skip_missing or not found.items):
        (where, path), count = found.missing[0], len(found.missing)
        more = [shown for _, shown in found.missing[1:_NAMED]]
        rest = f"; {count:,} files are missing in all, also {', '.join(more)}" if more else ""
        address = "; it is a web address, and nothing is downloaded" if "://" in path else ""
        raise DataError(
            f"{where}: there is no file {path!r} (looked in {_place(name, columns)} and below){rest}"
            f"{address}; name the folder of the images with --image-root, or leave out such rows with "
            "--skip-missing"
        )
    return [Skipped(path, "there is no such file") for _, path in found.missing]


def _place(name: str, columns: Columns) -> Path:
    if columns.root is not None:
        return columns.root
    return Path(name) if Path(name).is_dir() else Path(name).parent


def _note_listed(images: Sequence[Any], folders: dict[Path, set[str]], folder: Path) -> None:
    """Remember the names that a table lists, those of all its splits."""
    listed = folders.setdefault(folder, set())
    for value in images:
        path = value.get("path") if isinstance(value, dict) else value
        if isinstance(path, str | int | os.PathLike):
            listed.add(os.path.basename(str(path).strip().replace("\\", "/")).lower())


def _unlisted(items: Sequence[Encoded], folders: dict[Path, set[str]]) -> list[Skipped]:
    """Images that no row names, in the folders that rows name images of."""
    listed = set().union(*folders.values()) if folders else set()
    files = {str(item) for item in items if isinstance(item, Path)}
    listed |= {os.path.basename(file).lower() for file in files}
    return [
        Skipped(_below(entry, folders), "in no row of the table")
        for folder in sorted({os.path.dirname(file) for file in files})
        for entry in sorted(Path(folder).iterdir())
        if not is_hidden(entry.name)
        and entry.name.lower() not in listed
        and entry.stem.lower() not in listed
        and entry.is_file()
        and is_image_file(entry)
    ]


def _below(file: Path, folders: Iterable[Path]) -> str:
    """A path from the folder of a table, where it lies in one."""
    return next(
        (str(file.relative_to(folder)) for folder in folders if file.is_relative_to(folder)), str(file)
    )


def _settle_ids(found: _Rows, name: str) -> None:
    """Take the ids of a column ``id`` where they are ids; else paths or row numbers.

    Raises:
        DataError: If an id is empty, or two rows have the same.

    Warns:
        LabelmendWarning: If the column repeats, but paths do not.
    """
    if any(identity is not None for identity in found.own_ids):
        for identity, where in zip(found.own_ids, found.origins, strict=True):
            if identity is None or identity == "":
                raise DataError(f"{where}: the id is empty; give every row an id or leave the column out")
        own = [str(identity) for identity in found.own_ids]
        twice = _first_duplicate(own)
        if twice is None:
            found.ids[:] = own
            return
        if _first_duplicate(found.ids) is None:
            row, before = twice
            warnings.warn(
                f"{name}: column 'id' is no id, as {own[row]!r} of {found.origins[row]} is already that of "
                f"{found.origins[before]}; it is ignored (--group-column id keeps equal ones together)",
                LabelmendWarning,
                stacklevel=3,
            )
            return
        found.ids[:] = own
    twice = _first_duplicate(found.ids)
    if twice is not None:
        row, before = twice
        raise DataError(
            f"{found.origins[row]}: id {found.ids[row]!r} is already that of {found.origins[before]}; "
            "give each row its own id in a column 'id'"
        )


def _first_duplicate(ids: Sequence[str]) -> tuple[int, int] | None:
    """The first row whose id is that of an earlier one, and the earlier one."""
    first: dict[str, int] = {}
    for row, identity in enumerate(ids):
        if identity in first:
            return row, first[identity]
        first[identity] = row
    return None
