"""Arrays in memory and NumPy files as sources."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelmend.data.image_set import MemoryImages
from labelmend.data.labels import name_indices, read_label
from labelmend.data.listing import Label, Listing
from labelmend.data.splits import choose_split, refuse_split
from labelmend.errors import DataError

_SPLITS = ("train", "val", "test")
_IMAGE_KEYS = ("images", "X", "x")
_LABEL_KEYS = ("labels", "label", "y", "Y")
_COLUMN_KEYS = ("ids", "true_labels", "trusted")


def image_pixels(images: Any, name: str) -> np.ndarray:
    """Images as uint8 of shape (N, height, width, 1, 3 or 4).

    Args:
        images: NumPy array, torch tensor or nested list of shape (N, H, W), (N, H, W, C) or
            (N, C, H, W) with C of 1, 3 or 4; whole numbers in 0..255 or floats in [0, 1]. Where both
            readings of a 4-D shape fit, channels are last.
        name: what to call them in the error.

    Raises:
        DataError: If the shape or the range is another.
    """
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape[1:]:
        raise DataError(
            f"{name}: images have shape {array.shape}, expected (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    if array.shape[3] not in (1, 3, 4):
        if array.shape[1] not in (1, 3, 4):
            raise DataError(f"{name}: images have shape {array.shape}, but 1, 3 or 4 channels are expected")
        array = array.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(_to_uint8(array, name))


def _to_uint8(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8 or array.size == 0:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{name}: images are of type {array.dtype}; expected uint8, or floats in [0, 1]")
    low, high = array.min(), array.max()
    if np.issubdtype(array.dtype, np.integer):
        if low < 0 or high > 255:
            raise DataError(f"{name}: pixels range from {low} to {high}; whole numbers must lie in 0..255")
        return array.astype(np.uint8)
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"{name}: pixels range from {low:g} to {high:g}; floats must lie in [0, 1] "
            "(undo a normalisation, or divide by 255)"
        )
    pixels: np.ndarray = np.rint(array * 255).astype(np.uint8)
    return pixels


def _label_list(labels: Any, class_names: list[str] | None, name: str) -> list[Label] | None:
    if labels is None:
        return None
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    if isinstance(labels, np.ndarray):
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise DataError(f"{name}: labels have shape {labels.shape}, expected (N,)")
        labels = labels.tolist()
    values = [read_label(label, f"{name}, row {row + 1}") for row, label in enumerate(labels)]
    return values if class_names is None else name_indices(values, class_names, name)


def list_arrays(
    images: Any,
    labels: Any,
    name: str,
    *,
    class_names: Sequence[str] | None = None,
    ids: Sequence[Any] | None = None,
    true_labels: Any = None,
    trusted: Sequence[Any] | None = None,
) -> Listing:
    """List images held in one array.

    Args:
        images: see ``image_pixels``.
        labels: N strings or integers (array, tensor or list), or None.
        name: what to call the source.
        class_names: names in index order; integer labels are then indices.
        ids: N ids; by default the row numbers from 0.
        true_labels: N true labels, or None.
        trusted: N flags, or None.

    Raises:
        DataError: If lengths differ, or a value is not one of these.
    """
    pixels = image_pixels(images, name)
    classes = None if class_names is None else [str(c) for c in class_names]
    columns = {
        "labels": _label_list(labels, classes, name),
        "true_labels": _label_list(true_labels, classes, name),
    }
    flags = None if trusted is None else [bool(flag) for flag in trusted]
    names = [str(i) for i in (range(len(pixels)) if ids is None else ids)]
    for column, values in {**columns, "trusted": flags, "ids": names}.items():
        if values is not None and len(values) != len(pixels):
            raise DataError(f"{name}: {len(pixels)} images, but {len(values)} {column}")
    return Listing(
        name=name,
        ids=names,
        paths=[""] * len(pixels),
        items=list(pixels),
        labels=columns["labels"],
        class_names=classes,
        true_labels=columns["true_labels"],
        trusted=flags,
        images=MemoryImages(torch.from_numpy(pixels)) if pixels.shape[3] != 4 else None,
    )


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file.

    Raises:
        DataError: If it is missing, damaged, or holds pickled objects (strings must be of a NumPy
            string type).
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file of plain arrays ({error})") from error


def read_npy(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file; a DataError if it is missing, damaged or pickled."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npy file of a plain array ({error})") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: not an .npy file of one array")
    return array


def _key(arrays: dict[str, np.ndarray], names: Sequence[str], split: str) -> str | None:
    """The key of a column: ``train_x`` or ``x_train`` for a split, ``x`` for the whole."""
    patterns = ("{split}_{name}", "{name}_{split}") if split else ("{name}",)
    keys = (pattern.format(split=split, name=name) for pattern in patterns for name in names)
    return next((key for key in keys if key in arrays), None)


def npz_splits(arrays: dict[str, np.ndarray]) -> list[str]:
    """Splits that the keys of an ``.npz`` file name; empty where its keys name none.

    A file with ``images`` and ``test_images`` has the splits ``train`` and ``test``.
    """
    named = [split for split in _SPLITS if _key(arrays, _IMAGE_KEYS, split) is not None]
    if named and "train" not in named and _key(arrays, _IMAGE_KEYS, "") is not None:
        return ["train", *named]
    return named


def list_npz(path: Path, split: str | None) -> Listing:
    """List the images of an ``.npz`` file.

    Keys: ``images``, ``X`` or ``x``; ``labels``, ``label``, ``y`` or ``Y``; optional ``class_names``,
    ``ids``, ``true_labels``, ``trusted``. With splits, each with ``train_``, ``val_`` or ``test_``
    before or ``_train`` and so on behind (``x_train``, ``test_labels``).

    Raises:
        DataError: If there is no image array, or the split is not there.
    """
    arrays = read_npz(path)
    name = str(path)
    splits = npz_splits(arrays)
    if splits:
        split = choose_split(splits, split, name)
    else:
        refuse_split(split, name)
    prefix = split if split and _key(arrays, _IMAGE_KEYS, split) else ""
    image_key = _key(arrays, _IMAGE_KEYS, prefix)
    if image_key is None:
        raise DataError(
            f"{path}: no array of images (one of {', '.join(_IMAGE_KEYS)}); "
            f"it has {', '.join(arrays) or 'none'}"
        )
    label_key = _key(arrays, _LABEL_KEYS, prefix)
    columns: dict[str, Any] = {}
    for column in _COLUMN_KEYS:
        key = _key(arrays, (column,), prefix)
        columns[column] = None if key is None else arrays[key]
    class_names = arrays["class_names"].tolist() if "class_names" in arrays else None
    labels = None if label_key is None else arrays[label_key]
    return list_arrays(arrays[image_key], labels, name, class_names=class_names, **columns)
