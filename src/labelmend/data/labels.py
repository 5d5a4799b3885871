"""Raw labels -> class names and indices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from labelmend.data.listing import Label
from labelmend.errors import DataError

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


def read_label(value: Any, where: str) -> Label:
    """One raw label as a string or int; whole floats become ints.

    Args:
        value: string, integer, whole float, or a NumPy or torch scalar of those.
        where: file and row, for the error.

    Raises:
        DataError: If the label is empty, or a fraction.
    """
    if isinstance(value, np.generic | Tensor):
        value = value.item()
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        raise DataError(f"{where}: the label is empty; fill it in or leave the row out")
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        raise DataError(f"{where}: the label is {value!r}; labels are class names or whole numbers")
    return str(value)


def sort_class_names(names: Iterable[str]) -> list[str]:
    """Distinct class names in order: by number if all are whole numbers, else alphabetically."""
    distinct = set(names)
    if all(_INTEGER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=int)
    return sorted(distinct)


def list_classes(names: Sequence[str]) -> str:
    """The first class names, for a message."""
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def name_indices(labels: Sequence[Label], class_names: Sequence[str], where: str) -> list[Label]:
    """Labels with integers, which are class indices here, replaced by the names of their classes.

    Raises:
        DataError: If an index is outside 0..C-1; the message names its row, counted from 1.
    """
    for row, label in enumerate(labels):
        if isinstance(label, int) and not 0 <= label < len(class_names):
            raise DataError(
                f"{where}, row {row + 1}: there is no class {label}; the source names {len(class_names)} "
                "classes, numbered from 0"
            )
    return [class_names[label] if isinstance(label, int) else label for label in labels]


def encode_labels(labels: Sequence[Label], class_names: Sequence[str], where: str) -> np.ndarray:
    """Labels as indices into ``class_names``.

    A column is read in one way as a whole: as class names if every value is one, otherwise as class
    indices if every value is a whole number from 0 to C - 1.

    Args:
        labels: N strings or integers.
        class_names: C names in index order.
        where: what is being read, for the error.

    Returns:
        int64 array of shape (N,).

    Raises:
        DataError: If a label is neither; the message names its row, counted from 1.
    """
    index = {name: position for position, name in enumerate(class_names)}
    texts = [str(label) for label in labels]
    encoded = [index.get(text, -1) for text in texts]
    if -1 in encoded and all(_INTEGER.fullmatch(text) for text in texts):
        numbers = (int(text) for text in texts)
        encoded = [number if 0 <= number < len(class_names) else -1 for number in numbers]
    if -1 in encoded:
        row = encoded.index(-1)
        raise DataError(
            f"{where}, row {row + 1}: class {texts[row]!r} is not one of the {len(class_names)} classes "
            f"({list_classes(class_names)})"
        )
    return np.asarray(encoded, dtype=np.int64)
