"""Images and labels in arrays -> a listing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from labelmend.data.flags import read_flag
from labelmend.data.image_file import Encoded
from labelmend.data.image_set import MemoryImages
from labelmend.data.labels import name_indices, one_hot_indices, read_label
from labelmend.data.listing import Label, Listing
from labelmend.errors import DataError


def image_pixels(images: Any, name: str) -> np.ndarray:
    """Images in one array of shape (N, height, width, 1, 3 or 4), with their values as they are.

    Args:
        images: NumPy array, torch tensor or nested list of shape (N, H, W), (N, H, W, C) or
            (N, C, H, W) with C of 1, 3 or 4, of any numbers. Where both readings of a 4-D shape fit,
            channels are last.
        name: what to call them in the error.

    Raises:
        DataError: If the shape is another, or they are no numbers.
    """
    if isinstance(images, Tensor):
        # NumPy has no bfloat16.
        images = (images.float() if images.dtype == torch.bfloat16 else images).detach().cpu().numpy()
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise DataError(f"{name}: no array of images ({error})") from error
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
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise DataError(f"{name}: images are of type {array.dtype}; expected numbers, e.g. uint8")
    return np.ascontiguousarray(array)


def image_item(image: Any, where: str) -> Encoded:
    """One image in memory as an item of a listing.

    Args:
        image: PIL image, tensor (C, H, W) or (H, W), or array (H, W), (H, W, C) or (C, H, W).
        where: what to call it in the error.

    Raises:
        DataError: If it is none of these.
    """
    if isinstance(image, Image.Image):
        return PillowItem(image)
    if isinstance(image, Tensor) and image.ndim == 3 and image.shape[0] in (1, 3, 4):
        image = image.permute(1, 2, 0)
    if isinstance(image, Tensor | np.ndarray):
        pixels: np.ndarray = image_pixels(image[None], where)[0]
        return pixels
    raise DataError(
        f"{where}: an image of type {type(image).__name__}; expected a PIL image, a tensor (C, H, W) or an "
        "array (H, W, C)"
    )


@dataclass(frozen=True)
class PillowItem:
    """An image that is open already."""

    image: Image.Image

    def open(self) -> Image.Image:
        """A copy, as turning an image by its EXIF block changes it."""
        return self.image.copy()


def class_indices(labels: np.ndarray | Tensor, name: str) -> np.ndarray:
    """Labels (N,) of an array (N,), (N, 1) or one-hot (N, C).

    Raises:
        DataError: If they have another shape, or a row is not one-hot.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
        return one_hot_indices(array, f"{name}, labels of shape {array.shape}")
    if array.ndim != 1:
        raise DataError(f"{name}: labels have shape {array.shape}, expected (N,), or one-hot (N, C)")
    return array


def label_values(labels: Any, name: str) -> list[Any]:
    """Labels (N,) as a list, from an array, a frame of one column, or anything that has an order.

    Raises:
        DataError: If they are a single value, or a mapping or set, whose order is not that of the images.
    """
    if isinstance(labels, pd.DataFrame):
        labels = labels.to_numpy()
    if isinstance(labels, np.ndarray | Tensor):
        found: list[Any] = class_indices(labels, name).tolist()
        return found
    if not isinstance(labels, Iterable) or isinstance(labels, str | bytes | Mapping | Set):
        raise DataError(
            f"{name}: labels are a {type(labels).__name__}; give a list or an array, in the order of the "
            "images"
        )
    return list(labels)


def _label_list(labels: Any, class_names: list[str] | None, name: str) -> list[Label] | None:
    if labels is None:
        return None
    raw = label_values(labels, name)
    values = [read_label(label, f"{name}, row {row + 1}") for row, label in enumerate(raw)]
    return values if class_names is None else name_indices(values, class_names, name)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _are_of_many_sizes(images: Any) -> bool:
    """Whether images are a list of arrays or PIL images that do not make one array."""
    if not isinstance(images, list | tuple):
        return False
    shapes = {tuple(image.shape) if isinstance(image, np.ndarray | Tensor) else None for image in images}
    return len(shapes) > 1 or any(isinstance(image, Image.Image | Tensor) for image in images)


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
    """List images in memory.

    Args:
        images: see ``image_pixels``; or a list of arrays, tensors or PIL images of any sizes.
        labels: N strings or integers (array, tensor or list), or None.
        name: what to call the source.
        class_names: names in index order; integer labels are then indices.
        ids: N ids; by default the row numbers from 0.
        true_labels: N true labels, or None.
        trusted: N flags, or None.

    Raises:
        DataError: If lengths differ, or a value is not one of these.
    """
    pixels: Sequence[Encoded] | np.ndarray
    if isinstance(images, np.ndarray) and images.dtype == object and images.ndim == 1:
        images = list(images)
    if _are_of_many_sizes(images):
        pixels = [image_item(image, f"{name}, row {row + 1}") for row, image in enumerate(images)]
    else:
        pixels = image_pixels(images, name)
    classes = None if class_names is None else [_text(c) for c in class_names]
    columns = {
        "labels": _label_list(labels, classes, name),
        "true_labels": _label_list(true_labels, classes, name),
    }
    flags = None
    if trusted is not None:
        said = np.asarray(trusted).tolist()
        flags = [read_flag(value, f"{name}, row {row + 1}") for row, value in enumerate(said)]
    names = [_text(i) for i in (range(len(pixels)) if ids is None else ids)]
    for column, values in {**columns, "trusted": flags, "ids": names}.items():
        if values is not None and len(values) != len(pixels):
            raise DataError(f"{name}: {len(pixels)} images, but {len(values)} {column}")
    # Whatever is not ready to use becomes so in the same way as files.
    ready = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[3] != 4
    return Listing(
        name=name,
        ids=names,
        paths=[""] * len(pixels),
        items=[] if ready else list(pixels),
        labels=columns["labels"],
        class_names=classes,
        true_labels=columns["true_labels"],
        trusted=flags,
        images=MemoryImages(_tensor(np.asarray(pixels))) if ready else None,
    )


def _tensor(pixels: np.ndarray) -> Tensor:
    """A tensor of the same memory."""
    # A file that is mapped read-only must not be copied into memory, and nothing is ever written to images.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(pixels)
