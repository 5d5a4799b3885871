"""A map-style torch data set of pairs (image, label)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from labelmend.data.arrays import image_item
from labelmend.data.image_file import open_image
from labelmend.data.labels import name_indices, read_label
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import refuse_split
from labelmend.errors import DataError


class TorchDatasetReader(Reader):
    """Map-style data sets of torch and torchvision, and whatever else looks like one.

    Items are pairs of an image (PIL, tensor (C, H, W), array (H, W, C); whole numbers in 0..255 or
    floats in [0, 1]) and a label (string or integer). Labels are taken from ``targets`` and class
    names from ``classes`` where the data set has them. Items are fetched more than once, so a random
    transform inside the data set does not suit: labelmend augments by itself.
    """

    def matches(self, source: Any) -> bool:
        """Whether it has a length and items, and is neither a path nor a pair."""
        is_sized = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        return is_sized and not isinstance(source, str | tuple)

    def read(self, source: Any, request: Request) -> Listing:
        """List its items.

        Raises:
            DataError: If an item is no pair, or its label or class is not usable.
        """
        refuse_split(request.split, type(source).__name__)
        return _list_dataset(source)


@dataclass(frozen=True)
class DatasetItem:
    """One image of a data set, fetched again each time it is opened."""

    dataset: Any
    row: int
    lock: threading.Lock = field(repr=False)

    def fetch(self) -> Image.Image | np.ndarray:
        """The image as the data set gives it; tensors and arrays as arrays (H, W, C)."""
        # Data sets are rarely written for threads, e.g. those over one open HDF5 file.
        with self.lock:
            image, _ = _pair(self.dataset, self.row)
        item = image_item(image, f"item {self.row} of the data set")
        return item if isinstance(item, np.ndarray) else image

    def open(self) -> Image.Image:
        """The image with 8 bits a pixel."""
        image = self.fetch()
        return open_image(image) if isinstance(image, np.ndarray) else image


def _pair(dataset: Any, row: int) -> tuple[Any, Any]:
    item = dataset[row]
    if not isinstance(item, tuple | list) or len(item) != 2:
        kind = f"{len(item)} values" if isinstance(item, tuple | list) else type(item).__name__
        raise DataError(f"item {row} of the data set is {kind}, expected a pair (image, label)")
    return item[0], item[1]


def _labels(dataset: Any, count: int) -> Iterator[Any]:
    targets = getattr(dataset, "targets", None)
    if targets is not None and len(targets) == count:
        yield from targets
        return
    for row in range(count):
        yield _pair(dataset, row)[1]


def _list_dataset(dataset: Any) -> Listing:
    count = len(dataset)
    name = type(dataset).__name__
    lock = threading.Lock()
    labels = [read_label(v, f"{name}, item {row}") for row, v in enumerate(_labels(dataset, count))]
    classes = getattr(dataset, "classes", None)
    if classes is not None:
        classes = [str(c) for c in classes]
        labels = name_indices(labels, classes, name)
    return Listing(
        name=name,
        ids=[str(row) for row in range(count)],
        paths=[""] * count,
        items=[DatasetItem(dataset, row, lock) for row in range(count)],
        labels=labels,
        class_names=classes,
    )
