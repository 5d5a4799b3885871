"""An ``.npz`` file of images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.arrays import list_arrays
from labelmend.data.listing import Listing
from labelmend.data.numpy_files import read_npz
from labelmend.data.pictures import one_or_several
from labelmend.data.readers.base import Reader, Request, is_file_of
from labelmend.data.splits import choose_split, held_out, refuse_split
from labelmend.errors import DataError

_SPLITS = ("train", "val", "test")
_IMAGE_KEYS = ("images", "X", "x", "image")
_LABEL_KEYS = ("labels", "label", "y", "Y")
_COLUMN_KEYS = ("ids", "true_labels", "trusted")


class NpzReader(Reader):
    """NumPy archives.

    Keys: ``images``, ``X``, ``x`` or ``image``; ``labels``, ``label``, ``y`` or ``Y``; optional
    ``class_names``, ``ids``, ``true_labels``, ``trusted``. With splits, each with ``train_``, ``val_`` or
    ``test_`` before or ``_train`` and so on behind (``x_train``, ``test_labels``).
    """

    suffixes = (".npz",)
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is an ``.npz`` file that is there."""
        return is_file_of(source, self.suffixes)

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Splits that its keys name."""
        return split_names(read_npz(Path(source)))

    def read(self, source: Any, request: Request) -> Listing:
        """List one split; images alone are those of the test split, where there is one.

        Raises:
            DataError: If there is no image array, or the split is not there.
        """
        return list_named_arrays(read_npz(Path(source)), str(Path(source)), request)


def list_named_arrays(arrays: dict[str, np.ndarray], name: str, request: Request) -> Listing:
    """List one split of arrays by name; see ``NpzReader``.

    Raises:
        DataError: If there is no image array, or the split is not there.
    """
    if request.labelled:
        return _list_split(arrays, name, request.split)
    split = held_out(split_names(arrays))
    return replace(_list_split(arrays, name, split, request.channels), labels=None)


def _key(arrays: dict[str, np.ndarray], names: Sequence[str], split: str) -> str | None:
    """The key of a column: ``train_x`` or ``x_train`` for a split, ``x`` for the whole."""
    patterns = ("{split}_{name}", "{name}_{split}") if split else ("{name}",)
    keys = (pattern.format(split=split, name=name) for pattern in patterns for name in names)
    return next((key for key in keys if key in arrays), None)


def split_names(arrays: dict[str, np.ndarray]) -> list[str]:
    """Splits that the keys of an ``.npz`` file name; empty where its keys name none.

    A file with ``images`` and ``test_images`` has the splits ``train`` and ``test``.
    """
    named = [split for split in _SPLITS if _key(arrays, _IMAGE_KEYS, split) is not None]
    if named and "train" not in named and _key(arrays, _IMAGE_KEYS, "") is not None:
        return ["train", *named]
    return named


def _list_split(
    arrays: dict[str, np.ndarray], name: str, split: str | None, channels: int | None = None
) -> Listing:
    splits = split_names(arrays)
    if splits:
        split = choose_split(splits, split, name)
    else:
        refuse_split(split, name)
    prefix = split if split and _key(arrays, _IMAGE_KEYS, split) else ""
    image_key = _key(arrays, _IMAGE_KEYS, prefix)
    if image_key is None:
        raise DataError(
            f"{name}: no array of images (one of {', '.join(_IMAGE_KEYS)}); "
            f"it has {', '.join(arrays) or 'none'}"
        )
    label_key = _key(arrays, _LABEL_KEYS, prefix)
    columns: dict[str, Any] = {}
    for column in _COLUMN_KEYS:
        key = _key(arrays, (column,), prefix)
        columns[column] = None if key is None else arrays[key]
    class_names = arrays["class_names"].tolist() if "class_names" in arrays else None
    labels = None if label_key is None else arrays[label_key]
    images: Any = arrays[image_key]
    beside = [column for column in (labels, *columns.values()) if column is not None]
    # A label or an id for each row says that they are images.
    if not any(column.shape[:1] == images.shape[:1] for column in beside):
        images = one_or_several(images, channels, name)
    return list_arrays(images, labels, name, class_names=class_names, **columns)
