"""Which row of a file of labels belongs to which image."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from labelmend.data.columns import IMAGE_COLUMNS
from labelmend.data.listing import Listing
from labelmend.data.splits import standard_split
from labelmend.data.tables import Table
from labelmend.errors import DataError

ID_COLUMNS = ("id", "ids")
PATH_COLUMNS = (*IMAGE_COLUMNS, "img_path", "image_file", "image_name", "fname", "name")
"""Columns that may name the images of a file of labels by their paths."""


def find_rows(
    table: Table, listing: Listing, image: str | None, split: str | None, *, partial: bool
) -> list[int | None]:
    """Row of the table for each image, None where it has none.

    Args:
        table: the file of labels.
        listing: all images of the source.
        image: column that names the images, if it has been said.
        split: which split of the source is read.
        partial: whether images may have no row.

    Raises:
        DataError: If ids repeat, are not in the source, or do not cover it.
    """
    keys, by_path = _keys(table, listing, image)
    if keys is None:
        return _in_order(table, listing, split)
    return _by_key(table, keys, listing.paths if by_path else listing.ids, listing.name, split, partial)


def plain_key(value: Any) -> str:
    """An id or path in one Unicode form and with slashes, as file systems and spreadsheets differ in both."""
    return unicodedata.normalize("NFC", str(value)).replace("\\", "/")


def _keys(table: Table, listing: Listing, image: str | None) -> tuple[list[str] | None, bool]:
    """Keys of the rows, and whether they are paths: the first column that fits, else the first there is."""
    first: tuple[list[str] | None, bool] = (None, False)
    asked = () if image is None else (image,)
    for name in dict.fromkeys((*ID_COLUMNS, *asked, *PATH_COLUMNS)):
        column = table.find(name)
        if column is None or not all(isinstance(value, str | int) for value in table.columns[column]):
            continue
        keys = [plain_key(value) for value in table.columns[column]]
        by_path = name not in ID_COLUMNS
        if first[0] is None:
            first = (keys, by_path)
        wanted = set(map(plain_key, listing.paths if by_path else listing.ids))
        if len(set(keys)) == len(keys) and not wanted.isdisjoint(keys):
            return keys, by_path
    return first


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


def _by_key(
    table: Table, keys: Sequence[str], wanted: Sequence[str], source: str, split: str | None, partial: bool
) -> list[int | None]:
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key in rows:
            raise DataError(f"{table.path}, row {row + 1}: id {key!r} is already that of row {rows[key] + 1}")
        rows[key] = row
    # As written the names stay in messages only.
    plain = [plain_key(key) for key in wanted]
    known = set(plain)
    splits = _splits(table)
    for row, key in enumerate(keys):
        of_another = bool(splits) and splits[row] != standard_split(split or "train")
        if key not in known and not of_another:
            raise DataError(
                f"{table.path}, row {row + 1}: {source} has no image with id {key!r} (its first is "
                f"{wanted[0]!r})"
            )
    missing = [key for key in plain if key not in rows]
    if missing and not partial:
        raise DataError(
            f"{table.path}: no label for {len(missing)} of the {len(wanted)} images of {source}, the first "
            f"is {missing[0]!r}; give every image a label, or --partial to leave the others as they are"
        )
    return [rows.get(key) for key in plain]
