"""A table of images: file names or embedded images, labels, ids, splits."""

from __future__ import annotations

import os
import posixpath
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
from labelmend.data.label_keys import id_text
from labelmend.data.labels import is_empty, list_classes, name_indices
from labelmend.data.listing import Label, LabelPlace, Listing
from labelmend.data.locate import Locator
from labelmend.data.row_splits import row_splits, stray_rows
from labelmend.data.splits import NO_SPLITS, choose_split, held_out, refuse_split, split_of
from labelmend.data.tables import Table
from labelmend.data.walk import is_hidden, is_image_file
from labelmend.errors import DataError, LabelmendWarning
from labelmend.text import count

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
    searched: list[tuple[str, Path]] = field(default_factory=list)
    stray: list[tuple[str, str, str]] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    class_names: list[str] | None = None
    label_column: str | None = None
    notes: dict[str, None] = field(default_factory=dict)


def manifest_splits(tables: Sequence[Table]) -> list[str]:
    """Splits of the rows, in order of appearance; empty where nothing tells them apart (``row_splits``)."""
    found = (row_splits(table) for table in tables)
    splits = dict.fromkeys(split for of_table in found if of_table for split in of_table[0])
    return [split for split in splits if split]


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
    skipped += [Skipped(path, _stray_reason(of_row)) for _, path, of_row in found.stray]
    if columns.labelled:
        skipped += _unlisted(found.items, folders)
    _settle_ids(found, name)
    if columns.labelled and any(map(_empty_split, tables)):
        found.notes["column 'split' is empty and is not read"] = None
    if split is not None:
        _note_splits(found, split, splits)
    if found.searched:
        first, file = found.searched[0]
        found.notes[
            f"{len(found.searched):,} images were found by their names, not at their paths, first {first!r} "
            f"as {_below(file, folders)} (--image-root names the folder that paths start from)"
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
    elif columns.image is None and (others := [name for name in table.image_columns if name != image_name]):
        instead = list_classes([repr(name) for name in others])
        found.notes[f"images are in column {image_name!r}, not in {instead} (--image-column)"] = None
    images = table.columns[image_name]
    locator = locator.among(images)
    id_name = table.find("id")
    own_ids = table.columns[id_name] if id_name is not None and id_name != image_name else None
    rows = []
    for row in _rows_of_split(table, split, images, found):
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


def _rows_of_split(table: Table, split: str | None, images: Sequence[Any], found: _Rows) -> list[int]:
    divided = None if split is None else row_splits(table)
    if split is None or divided is None:
        return list(range(table.num_rows))
    splits, said_by = divided
    if said_by:
        counts = ", ".join(f"{name} {count:,}" for name, count in Counter(splits).items())
        found.notes[f"splits are those of {said_by}: {counts} rows (--split none takes all)"] = None
    else:
        name = table.path
        stray = stray_rows(splits, split)
        found.stray += [
            (f"{name}, row {row + 1}", _name_of(images[row]) or f"row {row + 1}", splits[row])
            for row in stray
        ]
        found.unread.update(splits)
        found.unread.subtract(splits[row] for row in stray)
    return [row for row, of_row in enumerate(splits) if of_row == split]


def _name_of(value: Any) -> str:
    """The path of an image as its row has it, "" if it has none."""
    path = value.get("path") if isinstance(value, dict) else value
    return str(path) if isinstance(path, str | int | os.PathLike) else ""


def _empty_split(table: Table) -> bool:
    column = table.find("split")
    return column is not None and all(map(is_empty, table.columns[column])) and table.num_rows > 0


def _stray_reason(split: str) -> str:
    return f"in a row of split {split!r}" if split else "in a row without a split"


def _note_splits(found: _Rows, split: str, splits: Sequence[str]) -> None:
    """Note the rows of a column ``split`` that are neither trained nor tested on."""
    if found.stray:
        where, *_ = found.stray[0]
        values = Counter(of_row for *_, of_row in found.stray)
        counts = list_classes([f"{of_row!r} {number:,}" for of_row, number in values.items()])
        found.notes[
            f"{count(len(found.stray), 'row')} left out whose column 'split' is empty or has no usual name: "
            f"{counts}, first {where} (mend them, or take all rows with --split none)"
        ] = None
    scored = held_out([of_row for of_row in splits if of_row != split])
    unread = {of_row: n for of_row, n in found.unread.items() if n and of_row not in (split, scored)}
    if unread:
        counts = ", ".join(f"{of_row} {n:,}" for of_row, n in unread.items())
        found.notes[
            f"rows of other splits are not read: {counts} (--split NAME reads one, --split none all)"
        ] = None


def _read_image(value: Any, locator: Locator, where: str, found: _Rows) -> tuple[Encoded | None, str]:
    """The image of one row, None where its file is missing; and its path as written, "" if it has none."""
    path = value
    if isinstance(value, bytes):
        return value, ""
    if isinstance(value, np.ndarray | Tensor | Image.Image):
        return image_item(value, where), ""
    if isinstance(value, list):
        return image_item(_pixels(value, where), where), ""
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
    if searched and file is not None:
        found.searched.append((path, file))
    return file, path


def _pixels(value: list[Any], where: str) -> np.ndarray:
    """The array that nested lists of numbers are, as Parquet and Arrow hold one in a cell.

    Raises:
        DataError: If they are no array of two or three dimensions.
    """
    try:
        pixels = np.asarray(value)
    except ValueError:  # rows of different lengths
        pixels = np.empty(0)
    if pixels.ndim not in (2, 3) or pixels.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: the row holds a list that is no image; an image is a file name, an encoded file, or "
            "rows of pixels, (H, W) or (H, W, C)"
        )
    return pixels


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
        leave_out = "leave out such rows with --skip-missing" if columns.labelled else "leave out such rows"
        raise DataError(
            f"{where}: there is no file {path!r} (looked in {_place(name, columns)} and below){rest}"
            f"{address}; name the folder of the images with --image-root, or {leave_out}"
        )
    return [Skipped(path, "there is no such file") for _, path in found.missing]


def _place(name: str, columns: Columns) -> Path:
    if columns.root is not None:
        return columns.root
    return Path(name) if Path(name).is_dir() else Path(name).parent


def _note_listed(images: Sequence[Any], folders: dict[Path, set[str]], folder: Path) -> None:
    """Remember the names that a table lists, those of all its splits, with the last folder of each."""
    names = (name.strip().replace("\\", "/").lower() for name in filter(None, map(_name_of, images)))
    ends = ("/".join(posixpath.normpath(name).split("/")[-2:]) for name in names)
    folders.setdefault(folder, set()).update(ends)


def _unlisted(items: Sequence[Encoded], folders: dict[Path, set[str]]) -> list[Skipped]:
    """Images that no row names, in the folders that rows name images of."""
    listed = set().union(*folders.values()) if folders else set()
    files = {str(item) for item in items if isinstance(item, Path)}
    return [
        Skipped(_below(entry, folders), "in no row of the table")
        for folder in sorted({os.path.dirname(file) for file in files})
        for entry in sorted(Path(folder).iterdir())
        if not is_hidden(entry.name)
        and str(entry) not in files
        and listed.isdisjoint(_ends(entry))
        and entry.is_file()
        and is_image_file(entry)
    ]


def _ends(file: Path) -> list[str]:
    """What a table may call a file: with or without its suffix, and with its folder or none."""
    names = (file.name.lower(), file.stem.lower())
    return [*names, *(f"{file.parent.name.lower()}/{name}" for name in names)]


def _below(file: Path, folders: Iterable[Path]) -> str:
    """A path from the folder of a table, where it lies in one."""
    return next(
        (str(file.relative_to(folder)) for folder in folders if file.is_relative_to(folder)), str(file)
    )


def _settle_ids(found: _Rows, name: str) -> None:
    """Take the ids of a column ``id`` where they are ids; else paths or row numbers.

    Raises:
        DataError: If an id is empty, or two rows have the same, or the same file and no id.

    Warns:
        LabelmendWarning: If the column repeats, but files do not.
    """
    # ``./a.png`` and ``a.png`` are one file.
    files = [os.path.normpath(item) if isinstance(item, Path) else None for item in found.items]
    keys = [identity if file is None else file for file, identity in zip(files, found.ids, strict=True)]
    if any(identity is not None for identity in found.own_ids):
        for identity, where in zip(found.own_ids, found.origins, strict=True):
            if is_empty(identity):
                raise DataError(f"{where}: the id is empty; give every row an id or leave the column out")
        own = [id_text(identity) for identity in found.own_ids]
        twice = _first_duplicate(own)
        if twice is None:
            found.ids[:] = own
            return
        if _first_duplicate(keys) is None:
            row, before = twice
            warnings.warn(
                f"{name}: column 'id' is no id, as {own[row]!r} of {found.origins[row]} is already that of "
                f"{found.origins[before]}; it is ignored (--group-column id keeps equal ones together)",
                LabelmendWarning,
                stacklevel=3,
            )
            return
        found.ids[:] = keys = own
    twice = _first_duplicate(keys)
    if twice is not None:
        row, before = twice
        other = found.ids[before]
        same = "" if other == found.ids[row] else f", there as {other!r}"
        raise DataError(
            f"{found.origins[row]}: id {found.ids[row]!r} is already that of {found.origins[before]}{same}; "
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
