"""Which split each row of a table belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from labelmend.data.labels import is_empty
from labelmend.data.splits import SPLIT_COLUMNS, split_of, standard_split
from labelmend.data.tables import Table

FLAGS = {"is_train": "train", "is_training": "train", "is_test": "test", "is_val": "val", "is_valid": "val"}
FLAGS |= {"is_validation": "val", "is_training_image": "train"}
STANDARD_SPLITS = {"train", "val", "test"}
YES, NO = ("true", "1", "1.0", "yes", "y"), ("false", "0", "0.0", "no", "n")


def row_splits(table: Table) -> tuple[list[str], str] | None:
    """Split of each row, and what says so unless it is the column ``split``; None where nothing does.

    A row whose value in the column ``split`` is empty has the split ""; a column that is empty in all rows
    does not count. A column of another name, flags such as ``is_test`` and folders in the paths say so if
    each row has a split, and there is one to train on and another.
    """
    split = table.find("split")
    if split is not None:
        found = ["" if is_empty(value) else standard_split(str(value)) for value in table.columns[split]]
        if any(found):
            return found, ""
    for name in SPLIT_COLUMNS:
        column = table.find(name)
        if column is not None and _divide(found := [split_of(str(v)) or "" for v in table.columns[column]]):
            return found, f"column {column!r}"
    for name, of_yes in FLAGS.items():
        column = table.find(name)
        if column is not None and _divide(found := _of_flags(table.columns[column], of_yes)):
            return found, f"column {column!r}"
    for column, values in table.columns.items():
        if all(isinstance(value, str) for value in values) and _divide(found := _of_paths(values)):
            return found, f"the folders in column {column!r}"
    return None


def stray_rows(splits: Sequence[str], chosen: str) -> list[int]:
    """Rows whose split is empty or, as it is no usual one, may be mistyped.

    Where the chosen split has a name of its own, such as ``fold1``, so may the others.
    """
    known = STANDARD_SPLITS if chosen in STANDARD_SPLITS else {chosen, *filter(None, splits)}
    return [row for row, split in enumerate(splits) if split not in known]


def _divide(splits: Sequence[str]) -> bool:
    found = set(splits)
    return "train" in found and len(found) > 1 and "" not in found


def _of_flags(values: Sequence[Any], of_yes: str) -> list[str]:
    of_no = "test" if of_yes == "train" else "train"
    texts = [str(value).strip().lower() for value in values]
    return [of_yes if text in YES else of_no if text in NO else "" for text in texts]


def _of_paths(paths: Sequence[str]) -> list[str]:
    """The first folder that is called like a split, below those that all paths have in common."""
    folders = [path.strip().replace("\\", "/").split("/")[:-1] for path in paths]
    if not all(folders):
        return []
    common = sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False)))
    return [next((split for part in parts[common:] if (split := split_of(part))), "") for parts in folders]
