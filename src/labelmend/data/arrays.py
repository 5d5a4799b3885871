"""Images and labels in arrays -> a listing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelmend.data.image_file import Encoded
from labelmend.data.image_set import MemoryImages
from labelmend.data.labels import name_indices, read_label
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
    # Whatever is not ready to use becomes so in the same way as files.
    ready = pixels.dtype == np.uint8 and pixels.shape[3] != 4
    return Listing(
        name=name,
        ids=names,
        paths=[""] * len(pixels),
        items=[] if ready else list(pixels),
        labels=columns["labels"],
        class_names=classes,
        true_labels=columns["true_labels"],
        trusted=flags,
        images=MemoryImages(torch.from_numpy(pixels)) if ready else None,
    )
