"""Which images are marked as ones to test or validate on; their labels are left alone."""

from __future__ import annotations

from typing import Any

from labelmend.data.listing import Listing
from labelmend.data.row_splits import FLAGS, NO, YES
from labelmend.data.splits import SPLIT_COLUMNS, split_of, standard_split
from labelmend.data.tables import Table, read_table

_HELD_OUT = ("test", "val")
_TRAIN_FLAGS = tuple(name for name, split in FLAGS.items() if split == "train")
_FLAG_COLUMNS = (*(FLAGS.keys() - set(_TRAIN_FLAGS)), "test", "validation", "holdout")


def held_out(listing: Listing, split: str | None) -> list[bool]:
    """Whether each image is marked: by the split it was read from, its folder, or its row of a table.

    A table marks by its name (``test.csv``), by a column of splits (``split``, ``subset``, ...) or by a flag
    (``is_test``, ``is_valid``; ``is_train`` that is false).

    Args:
        listing: of N images.
        split: that was asked for.
    """
    if split is not None and standard_split(split) in _HELD_OUT:
        return [True] * len(listing)
    labels = listing.labels or [""] * len(listing)
    marked = [
        any(
            split_of(part) in _HELD_OUT and part != str(label)
            for part in path.replace("\\", "/").split("/")[:-1]
        )
        for path, label in zip(listing.paths, labels, strict=True)
    ]
    place = listing.label_place
    if place is None:
        return marked
    of_rows = _marked_rows(read_table(place.path))
    return [
        by_path or (row is not None and of_rows[row]) for by_path, row in zip(marked, place.rows, strict=True)
    ]


def _marked_rows(table: Table) -> list[bool]:
    if split_of(table.path.name.partition(".")[0]) in _HELD_OUT:
        return [True] * table.num_rows
    marked = [False] * table.num_rows
    kinds = ((SPLIT_COLUMNS, _names_held_out), (_FLAG_COLUMNS, _is_yes), (_TRAIN_FLAGS, _is_no))
    for names, is_marked in kinds:
        for name in names:
            column = table.find(name)
            if column is not None:
                values = table.columns[column]
                marked = [before or is_marked(value) for before, value in zip(marked, values, strict=True)]
    return marked


def _names_held_out(value: Any) -> bool:
    return standard_split(str(value)) in _HELD_OUT


def _is_yes(value: Any) -> bool:
    return str(value).strip().lower() in YES


def _is_no(value: Any) -> bool:
    return str(value).strip().lower() in NO
