"""A file of labels that replaces those of an image source."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelmend.data.labels import encode_labels, read_label, sort_class_names
from labelmend.data.listing import Label, Listing
from labelmend.data.manifest import read_flag
from labelmend.data.numpy_files import read_npy, read_npz
from labelmend.data.tables import TABLE_SUFFIXES, read_table, table_kind
from labelmend.errors import DataError

_LABEL_COLUMNS = ("noisy_label", "label_noisy", "noisy_labels", "label", "labels", "y")
_PATH_COLUMNS = ("file_name", "path", "filename", "file", "image_path", "filepath", "image")
_ID_COLUMNS = ("id", "ids", *_PATH_COLUMNS)


@dataclass(frozen=True)
class _LabelFile:
    """Columns of a label file, all of one length."""

    labels: list[Label]
    keys: list[str] | None
    by_path: bool
    true_labels: list[Label] | None
    trusted: list[bool] | None


def _columns(path: Path) -> dict[str, list[Any]]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return {"label": read_npy(path).ravel().tolist()}
    if suffix == ".npz":
        return {name: array.ravel().tolist() for name, array in read_npz(path).items()}
    if table_kind(path) is not None:
        return {name.strip().lower(): values for name, values in read_table(path).columns.items()}
    known = ", ".join((*TABLE_SUFFIXES, ".npz", ".npy"))
    raise DataError(f"{path}: cannot read {suffix!r} as a file of labels; give one of {known}")


def _read(path: Path) -> _LabelFile:
    columns = _columns(path)
    label_column = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if label_column is None:
        raise DataError(
            f"{path}: no column of labels (one of {', '.join(_LABEL_COLUMNS)}); "
            f"it has {', '.join(columns) or 'none'}"
        )

    def labels(name: str) -> list[Label]:
        return [read_label(value, f"{path}, row {row + 1}") for row, value in enumerate(columns[name])]

    true_column = next((name for name in ("true_label", "true_labels") if name in columns), None)
    key_column = next((name for name in _ID_COLUMNS if name in columns), None)
    return _LabelFile(
        labels=labels(label_column),
        keys=None if key_column is None else [_key(key) for key in columns[key_column]],
        by_path=key_column in _PATH_COLUMNS,
        true_labels=None if true_column is None else labels(true_column),
        trusted=(
            [read_flag(value, path, row) for row, value in enumerate(columns["trusted"])]
            if "trusted" in columns
            else None
        ),
    )


def _key(value: Any) -> str:
    """An id or path in one Unicode form and with slashes, as file systems and spreadsheets differ in both."""
    return unicodedata.normalize("NFC", str(value)).replace("\\", "/")


def _order(keys: Sequence[str], wanted: Sequence[str], path: Path, source: str) -> list[int]:
    """Row of the label file for each image.

    Raises:
        DataError: If keys repeat, are not in the source, or do not cover it.
    """
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key in rows:
            raise DataError(f"{path}, row {row + 1}: id {key!r} is already that of row {rows[key] + 1}")
        rows[key] = row
    # As written the names stay in messages only.
    plain = [_key(key) for key in wanted]
    known = set(plain)
    for row, key in enumerate(keys):
        if key not in known:
            raise DataError(
                f"{path}, row {row + 1}: {source} has no image with id {key!r} (its first is {wanted[0]!r})"
            )
    missing = [key for key in plain if key not in rows]
    if missing:
        raise DataError(
            f"{path}: no label for {len(missing)} of the {len(wanted)} images of {source}, the first is "
            f"{missing[0]!r}; give every image a label"
        )
    return [rows[key] for key in plain]


def replace_labels(listing: Listing, path: Path, class_names: Sequence[str] | None) -> Listing:
    """The listing with given labels from a file, and true labels and flags where it has them.

    The labels are in the column ``noisy_label``, ``label_noisy``, ``noisy_labels``, ``label``,
    ``labels`` or ``y``, the first of these that is there. Rows belong to images by ``id`` (or
    ``ids``), else by ``file_name`` or ``path``; without any of them there must be one row for each
    image, in order. Values are class names, or, where not all of them are, class indices.

    Args:
        listing: all images of the source.
        path: CSV, TSV, JSON lines, Parquet, ``.npz`` or ``.npy`` file.
        class_names: classes of the source in index order, or None if only this file names them.

    Raises:
        DataError: If an id is unknown, repeated or missing, or a class is unknown.
    """
    file = _read(path)
    if file.keys is None:
        if len(file.labels) != len(listing):
            raise DataError(
                f"{path}: {len(file.labels)} labels without ids, but {listing.name} has "
                f"{len(listing)} images; add a column 'id'"
            )
        order = list(range(len(listing)))
    else:
        order = _order(file.keys, listing.paths if file.by_path else listing.ids, path, listing.name)
    names = list(class_names or sort_class_names(str(v) for v in (*file.labels, *(file.true_labels or ()))))

    def aligned(labels: list[Label]) -> list[Label]:
        encoded = encode_labels(labels, names, str(path))
        return [names[encoded[row]] for row in order]

    return replace(
        listing,
        labels=aligned(file.labels),
        class_names=names,
        true_labels=listing.true_labels if file.true_labels is None else aligned(file.true_labels),
        trusted=listing.trusted if file.trusted is None else [file.trusted[row] for row in order],
    )
