"""Labels as cells of a table: which cells change, and what is written there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelmend.data.labels import read_label
from labelmend.data.listing import LabelPlace

Cell = tuple[int, str]
"""Row, from 0, and column of a cell."""


@dataclass(frozen=True)
class Value:
    """A label that no cell of the table holds yet."""

    label: str | int


Edits = Mapping[Cell, Cell | Value]
"""What a cell is to hold: what another cell of the table as it was holds, written as there; or a value."""


def label_edits(
    place: LabelPlace,
    column: Sequence[Any],
    labels: Sequence[str],
    changes: Mapping[int, str],
    class_names: Sequence[str],
) -> dict[Cell, Cell | Value]:
    """The cells that give some images other labels.

    A class is written as the table itself writes it: as the name or number, in the quotes and blanks of the
    first image that has it.

    Args:
        place: the cells of the labels of N images, all of them in the table.
        column: values of that column; of no account where labels are in one-hot columns.
        labels: class name of each image now.
        changes: new class name by place among the images.
        class_names: in index order.
    """
    rows = [row for row in place.rows if row is not None]
    if place.column is None:
        edits: dict[Cell, Cell | Value] = {}
        for image, label in changes.items():
            before, after = (rows[image], labels[image]), (rows[image], label)
            edits |= {before: after, after: before}
        return edits
    first: dict[str, int] = {}
    for row, label in zip(rows, labels, strict=True):
        first.setdefault(label, row)
    numbered = _holds_numbers([read_label(column[row], str(place.path)) for row in rows], labels)

    def written(label: str) -> Cell | Value:
        if label in first and place.column is not None:
            return first[label], place.column
        return Value(class_names.index(label) if numbered and label in class_names else label)

    return {(rows[image], place.column): written(label) for image, label in changes.items()}


def _holds_numbers(raw: Sequence[str | int], labels: Sequence[str]) -> bool:
    """Whether classes are written as indices rather than by their names."""
    return any(str(value) != label and str(value).isdigit() for value, label in zip(raw, labels, strict=True))
