"""Which row of a file of labels belongs to which image."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelmend.data.columns import IMAGE_COLUMNS, MORE_IMAGE_COLUMNS
from labelmend.data.labels import is_empty
from labelmend.data.listing import Listing
from labelmend.data.splits import standard_split
from labelmend.data.tables import Table
from labelmend.errors import DataError

ID_COLUMNS = ("id", "ids")
PATH_COLUMNS = tuple(name for name in (*IMAGE_COLUMNS, *MORE_IMAGE_COLUMNS) if name not in ID_COLUMNS)
"""Columns that may name the images of a file of labels by their paths."""


@dataclass(frozen=True)
class _Naming:
    """A column that may name the images.

    Attributes:
        column: its name.
        keys: of its rows, None where a cell names nothing.
        wanted: N ids or paths that the keys are compared with.
    """

    column: str
    keys: list[str | None]
    wanted: Sequence[str]

    def fits(self) -> bool:
        """Whether each row has a key of its own, and some image has one of them."""
        return (
            None not in self.keys
            and len(set(self.keys)) == len(self.keys)
            and not set(map(plain_key, self.wanted)).isdisjoint(self.keys)
        )


def find_rows(
    table: Table,
    listing: Listing,
    image: str | None,
    split: str | None,
    *,
    partial: bool,
    label: str | None = None,
) -> tuple[list[int | None], list[str]]:
    """Row of the table for each image, None where it has none; and what was assumed, in lines.

    Args:
        table: the file of labels.
        listing: all images of the source.
        image: column that names the images, if it has been said.
        split: which split of the source is read.
        partial: whether images may have no row.
        label: column of the labels, which names no images whatever it is called.

    Raises:
        DataError: If ids repeat, are empty, are not in the source, or do not cover it.
    """
    usual = list(_usual_columns(table, listing, image, label))
    naming = next((column for column in usual if column.fits()), None)
    notes = []
    if naming is None and (naming := _other_column(table, listing, label)) is not None:
        notes.append(f"{table.path}: column {naming.column!r} names the images (--image-column)")
    if naming is None and not usual:
        notes.append(
            f"{table.path}: labels are taken in the order of the images, as no column names these; "
            "a column 'id' or 'path' does"
        )
        return _in_order(table, listing, split), notes
    return _by_key(table, naming or usual[0], listing.name, split, partial), notes


def id_text(value: Any) -> str:
    """An id as text; a whole number stays one where pandas, as it does beside gaps, has made it a float."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def plain_key(value: Any) -> str:
    """An id or path in one Unicode form and with slashes, as file systems and spreadsheets differ in both."""
    return unicodedata.normalize("NFC", str(value)).replace("\\", "/")


def _usual_columns(table: Table, listing: Listing, image: str | None, label: str | None) -> Iterator[_Naming]:
    """Columns of usual names in which any cell names something, by ids first."""
    ids = dict.fromkeys(table.first_column([name]) for name in ID_COLUMNS)
    asked = None if image is None else table.find(image)
    paths = dict.fromkeys([asked, *(table.first_column([name]) for name in PATH_COLUMNS)])
    for column in {**ids, **paths}:
        if column is None or column == label:
            continue
        keys = [_key(value) for value in table.columns[column]]
        if any(key is not None for key in keys):
            # Images in memory have no paths.
            if column not in ids and all(listing.paths):
                yield _Naming(column, keys, listing.paths)
            yield _Naming(column, keys, listing.ids)


def _other_column(table: Table, listing: Listing, label: str | None) -> _Naming | None:
    """A column of any name that holds the paths of all images, or of some of them only."""
    paths = set(map(plain_key, listing.paths))
    for column in table.columns:
        keys = [_key(value) for value in table.columns[column]]
        naming = _Naming(column, keys, listing.paths)
        if column != label and naming.fits() and (paths.issubset(keys) or paths.issuperset(map(str, keys))):
            return naming
    return None


def _key(value: Any) -> str | None:
    """The id or path in a cell; None where it is empty, or holds something else, such as an image."""
    if isinstance(value, str):
        return plain_key(value) if value.strip() else None
    if isinstance(value, float) and value.is_integer():
        return id_text(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _in_order(table: Table, listing: Listing, split: str | None) -> list[int | None]:
    """Rows in the order of the images: all of them, those of the split, or those of the source's own table.

    Raises:
        DataError: If their number is not that of the images.
    """
    if table.num_rows == len(listing):
        return list(range(table.num_rows))
    place = listing.label_place
    if place is not None and place.num_rows == table.num_rows:
        return list(place.rows)
    wanted = standard_split(split or "train")
    rows: list[int | None] = [row for row, found in enumerate(_splits(table)) if found == wanted]
    if len(rows) == len(listing):
        return rows
    raise DataError(
        f"{table.path}: {table.num_rows} labels without ids, but {listing.name} has {len(listing)} images; "
        "add a column 'id'"
    )


def _splits(table: Table) -> list[str]:
    column = table.find("split")
    return [] if column is None else [standard_split(str(value)) for value in table.columns[column]]


def _by_key(table: Table, naming: _Naming, source: str, split: str | None, partial: bool) -> list[int | None]:
    rows: dict[str, int] = {}
    if_none = f"leave column {naming.column!r} out if it names no images"
    for row, key in enumerate(naming.keys):
        where = f"{table.path}, row {row + 1}"
        if key is None:
            value = table.columns[naming.column][row]
            shown = "empty" if is_empty(value) else " ".join(repr(value).split())[:40]
            raise DataError(
                f"{where}: column {naming.column!r}, which names the images, is {shown}; "
                "fill it in or leave the row out"
            )
        if key in rows:
            raise DataError(
                f"{where}: id {key!r} is already that of row {rows[key] + 1}; give each image one row, "
                f"or {if_none}"
            )
        rows[key] = row
    # As written the names stay in messages only.
    plain = [plain_key(key) for key in naming.wanted]
    known = set(plain)
    splits = _splits(table)
    for key, row in rows.items():
        of_another = bool(splits) and splits[row] != standard_split(split or "train")
        if key not in known and not of_another:
            raise DataError(
                f"{table.path}, row {row + 1}: {source} has no image with id {key!r} (its first is "
                f"{naming.wanted[0]!r}); correct it, or {if_none}"
            )
    missing = [key for key in plain if key not in rows]
    if missing and not partial:
        raise DataError(
            f"{table.path}: no label for {len(missing)} of the {len(plain)} images of {source}, the first "
            f"is {missing[0]!r}; give every image a label, or --partial to leave the others as they are"
        )
    return [rows.get(key) for key in plain]
