"""Raw labels -> class names and indices."""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from labelmend.data.listing import Label
from labelmend.errors import DataError, LabelmendWarning
from labelmend.text import printable

LONGEST_SHOWN = 60
"""Characters of a class name in a message."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WRAPPED = re.compile(r"\[.*\]|\(.*,\s*\)|\{.*\}|[bB]('.*'|\".*\")", re.DOTALL)
_BETWEEN_LABELS = re.compile(r"\s*[|;,+/&]\s*|\s+")
_WORDS_FOR_NONE = ("nan", "na", "n/a", "<na>", "none", "null")

Where = str | Callable[[int], str]
"""What labels are of, for an error: a name of the whole, or a function that names the place of one."""


def clean_name(text: str) -> str:
    """A class name without blanks around it, in one Unicode form (NFC): ``"cat "`` is ``"cat"``."""
    return unicodedata.normalize("NFC", text).strip()


def is_empty(value: Any) -> bool:
    """Whether a raw label is none: None, NaN, NA or blank text."""
    if isinstance(value, str):
        return not value.strip()
    return (
        value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
    )


def _single(value: Any) -> Any:
    """What is in a wrapping of one value: ``["cat"]``, ``{"label": "cat"}``, ``b"cat"``, a 0-d array."""
    while True:
        if isinstance(value, Tensor | np.ndarray):
            if value.ndim and len(value) != 1:
                return value
            value = value.item() if value.ndim == 0 else value[0]
        elif isinstance(value, np.generic):
            value = value.item()
        elif isinstance(value, list | tuple | set | frozenset) and len(value) == 1:
            (value,) = value
        elif isinstance(value, Mapping) and len(value) == 1:
            (value,) = value.values()
        else:
            return value


def _unquoted(text: str) -> Any:
    """What a text says where it is Python or JSON for a wrapping: ``['cat']``, ``b'cat'``; else the text.

    Tables of text turn lists and bytes into such.
    """
    if not _WRAPPED.fullmatch(text):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def read_label(value: Any, where: str) -> Label:
    """One raw label as a string or int; whole floats become ints, wrappings of one value are taken off.

    Args:
        value: string, bytes, integer, whole float, a NumPy or torch scalar of those, or a list, tuple or
            dictionary of just one.
        where: file and row, for the error.

    Raises:
        DataError: If the label is empty, a fraction, or several values.
    """
    value = _single(value)
    if isinstance(value, str):
        value = _single(_unquoted(value.strip()))
    if isinstance(value, bytes):
        # Escapes keep names apart that are no text.
        value = value.decode("utf-8", "backslashreplace")
    if is_empty(value):
        raise DataError(f"{where}: the label is empty; fill it in or leave the row out")
    if isinstance(value, str):
        return clean_name(value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal) and np.isfinite(float(value)):
        if value == int(value):
            return int(value)
        raise DataError(f"{where}: the label is {value!r}; labels are class names or whole numbers")
    shown = " ".join(repr(value).split())
    raise DataError(
        f"{where}: the label is {shown[:80]} ({type(value).__name__}); labels are class names or whole "
        "numbers, one for each image"
    )


def one_hot_indices(rows: np.ndarray, where: str) -> np.ndarray:
    """Class index of each row of a one-hot matrix (N, C).

    Raises:
        DataError: If a row is anything but zeros and a single one; the message names it, from 1.
    """
    ones = rows == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ~(ones | (rows == 0)).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        marked = int((rows[row] != 0).sum())
        raise DataError(
            f"{where}, row {row + 1}: {marked} of {rows.shape[1]} columns are marked, expected a single 1 "
            "and zeros; labelmend needs one label for each image"
        )
    indices: np.ndarray = ones.argmax(axis=1)
    return indices


def _bare(name: str) -> str:
    """A class name without case, accents and separators; a number as its value."""
    if _NUMBER.fullmatch(name) and np.isfinite(float(name)):
        return repr(float(name))
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in letters if not unicodedata.combining(c) and c not in " _-.") or name


def warn_of_near_names(class_names: Sequence[str], where: str) -> None:
    """Warn of classes whose names differ in case, accents, blanks, hyphens, underscores or digits only.

    Warns:
        LabelmendWarning: Once, with all of them.
    """
    groups: dict[str, list[str]] = {}
    for name in class_names:
        groups.setdefault(_bare(name), []).append(name)
    alike = [" and ".join(map(repr, names)) for names in groups.values() if len(names) > 1]
    if alike:
        warnings.warn(
            f"{where}: classes of nearly the same name are kept apart: {', '.join(alike[:5])}"
            f"{', ...' if len(alike) > 5 else ''}; give them one name if they are one class",
            LabelmendWarning,
            stacklevel=3,
        )


def warn_of_no_names(class_names: Sequence[str], where: str) -> None:
    """Warn of classes that may be none: a -1 beside numbers, words such as NaN, several classes in one label.

    Warns:
        LabelmendWarning: Once for each of the three.
    """
    if "-1" in class_names and all(_INTEGER.fullmatch(name) for name in class_names):
        warnings.warn(
            f"{where}: -1 is taken for a class like any other; leave such images out if it means that they "
            "have no label",
            LabelmendWarning,
            stacklevel=3,
        )
    words = [name for name in class_names if name.lower() in _WORDS_FOR_NONE]
    if words:
        warnings.warn(
            f"{where}: {list_classes([repr(name) for name in words])} may mean that there is no label, and "
            "counts as a class like any other; leave such images out if they have none",
            LabelmendWarning,
            stacklevel=3,
        )
    known = set(class_names)
    several = [name for name in class_names if _are_classes(_BETWEEN_LABELS.split(name), known)]
    if several:
        warnings.warn(
            f"{where}: {list_classes([repr(name) for name in several])} may be several labels in one, as "
            "each part is a class too; they are taken for classes of their own, and labelmend needs one "
            "label for each image",
            LabelmendWarning,
            stacklevel=3,
        )


def _are_classes(parts: Sequence[str], known: set[str]) -> bool:
    return len(parts) > 1 and known.issuperset(parts)


def sort_class_names(names: Iterable[str]) -> list[str]:
    """Distinct class names in order: by number if all are whole numbers, else alphabetically."""
    distinct = set(names)
    if not all(_INTEGER.fullmatch(name) for name in distinct):
        return sorted(distinct)
    # Python turns no more than 4,300 digits into a number.
    below, others = ([n for n in distinct if n.startswith("-") is negative] for negative in (True, False))
    return sorted(below, key=_by_size, reverse=True) + sorted(others, key=_by_size)


def _by_size(integer: str) -> tuple[int, str]:
    return len(integer), integer


def list_classes(names: Sequence[str]) -> str:
    """The first class names, for a message; of long ones the ends."""
    return ", ".join(printable(name, LONGEST_SHOWN) for name in names[:8]) + (
        ", ..." if len(names) > 8 else ""
    )


def _place(where: Where, row: int) -> str:
    return f"{where}, row {row + 1}" if isinstance(where, str) else where(row)


def name_indices(labels: Sequence[Label], class_names: Sequence[str], where: Where) -> list[Label]:
    """Labels with integers, which are class indices here, replaced by the names of their classes.

    Raises:
        DataError: If an index is outside 0..C-1; the message names its place.
    """
    for row, label in enumerate(labels):
        if isinstance(label, int) and not 0 <= label < len(class_names):
            raise DataError(
                f"{_place(where, row)}: there is no class {label}; the source names {len(class_names)} "
                "classes, numbered from 0"
            )
    return [class_names[label] if isinstance(label, int) else label for label in labels]


def _are_indices(texts: Sequence[str], index: Mapping[str, int]) -> bool:
    """Whether labels of which some are no class names are class indices.

    They are if all are whole numbers, classes are not called by numbers, and no label is the name of another
    class than the one at its index.
    """
    return (
        all(_INTEGER.fullmatch(text) for text in texts)
        and not all(_NUMBER.fullmatch(name) for name in index)
        and all(str(index.get(text, text)) == text for text in texts)
    )


def encode_labels(labels: Sequence[Label], class_names: Sequence[str], where: Where) -> np.ndarray:
    """Labels as indices into ``class_names``.

    A column is read in one way as a whole: as class names if every value is one, otherwise as class
    indices if every value is a whole number from 0 to C - 1. Where all classes are called by numbers, labels
    are names only.

    Args:
        labels: N strings or integers.
        class_names: C names in index order.
        where: what is being read, for the error.

    Returns:
        int64 array of shape (N,).

    Raises:
        DataError: If a label is neither; the message names its place.
    """
    index = {name: position for position, name in enumerate(class_names)}
    texts = [str(label) for label in labels]
    encoded = [index.get(text, -1) for text in texts]
    if -1 in encoded and _are_indices(texts, index):
        positions = {str(position): position for position in range(len(class_names))}
        encoded = [positions.get(text, -1) for text in texts]
    if -1 in encoded:
        row = encoded.index(-1)
        raise DataError(
            f"{_place(where, row)}: class {texts[row]!r} is not one of the {len(class_names)} classes "
            f"({list_classes(class_names)}); correct the label or leave the image out"
        )
    return np.asarray(encoded, dtype=np.int64)


def note_of_indices(labels: Sequence[Label], class_names: Sequence[str], where: str) -> list[str]:
    """A line that says that ``encode_labels`` reads these labels as class indices; none if they are names."""
    index = {name: position for position, name in enumerate(class_names)}
    texts = [str(label) for label in labels]
    if all(text in index for text in texts) or not _are_indices(texts, index):
        return []
    return [
        f"{where}: labels are taken for class indices (0 is {class_names[0]!r}); "
        "write class names instead if they are none"
    ]
