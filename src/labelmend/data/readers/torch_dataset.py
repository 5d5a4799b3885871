"""A map-style torch data set of pairs (image, label)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from torch.utils.data import Subset

from labelmend.data.arrays import image_item
from labelmend.data.image_file import open_image
from labelmend.data.labels import clean_name, name_indices, read_label
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.readers.hugging_face import is_hugging_face
from labelmend.data.splits import refuse_split
from labelmend.errors import DataError


class TorchDatasetReader(Reader):
    """Map-style data sets of torch and torchvision, and whatever else looks like one.

    Items are pairs of an image (PIL, tensor (C, H, W), array (H, W, C); whole numbers in 0..255 or
    floats in [0, 1]) and a label (string or integer). Labels are taken from ``targets`` (through a
    ``target_transform``) and class names from ``classes`` where the data set has them, also below ``Subset``
    and ``random_split``; ids are positions in the data set that those are taken from. Items are fetched more
    than once, so a random transform inside the data set does not suit: labelmend augments by itself.
    """

    def matches(self, source: Any) -> bool:
        """Whether it has a length and items, and is neither a path, a pair nor a table."""
        is_sized = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        other = isinstance(source, str | tuple | Mapping | pd.DataFrame) or is_hugging_face(source)
        return is_sized and not other

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


def _label(dataset: Any, row: int) -> Any:
    try:
        return _pair(dataset, row)[1]
    except DataError:
        raise
    except Exception as error:  # data sets raise whatever they like
        raise DataError(
            f"item {row} of the data set cannot be read ({type(error).__name__}: {error}); leave it out, "
            "e.g. with torch.utils.data.Subset, or give the data set a list 'targets'"
        ) from error


@dataclass(frozen=True)
class _Origin:
    """The data set that subsets are taken from, and which of its items an item is."""

    dataset: Any
    rows: list[int]


def _origin(dataset: Any) -> _Origin:
    """Follow ``Subset`` and what ``random_split`` returns, also of one another, to where they come from."""
    rows = list(range(len(dataset)))
    while isinstance(dataset, Subset):
        indices = list(dataset.indices)
        rows = [int(indices[row]) for row in rows]
        dataset = dataset.dataset
    return _Origin(dataset, rows)


def _targets(origin: _Origin) -> list[Any] | None:
    """Targets of the items as they are stored, where the data set has them."""
    for name in ("targets", "labels"):
        targets = getattr(origin.dataset, name, None)
        if (
            isinstance(targets, Sized)
            and hasattr(targets, "__getitem__")
            and len(targets) == len(origin.dataset)
        ):
            return [targets[row] for row in origin.rows]
    return None


def _class_names(classes: Any) -> list[str] | None:
    """Names of the classes by index, of a sequence or a mapping to or from indices; None of anything else."""
    if isinstance(classes, Mapping):
        numbered = (
            classes if all(isinstance(key, int) for key in classes) else {v: k for k, v in classes.items()}
        )
        if sorted(numbered) != list(range(len(classes))):
            return None
        return [str(numbered[index]) for index in range(len(classes))]
    if isinstance(classes, str) or not isinstance(classes, Sequence | np.ndarray):
        return None
    return [str(name) for name in classes]


def _list_dataset(dataset: Any) -> Listing:
    name = type(dataset).__name__
    origin = _origin(dataset)
    count = len(origin.rows)
    lock = threading.Lock()
    raw = _targets(origin)
    transform = getattr(origin.dataset, "target_transform", None)
    if raw is None:
        given = [_label(dataset, row) for row in range(count)]
    else:
        given = raw if transform is None else [transform(target) for target in raw]
    labels = [read_label(value, f"{name}, item {row}") for row, value in enumerate(given)]
    classes = _class_names(getattr(origin.dataset, "classes", None))
    if classes is not None and transform is not None and raw is not None:
        before = [read_label(value, f"{name}, item {row}") for row, value in enumerate(raw)]
        # The names are those of the targets as they are stored, not of what they are turned into.
        classes = classes if labels == before else None
    if classes is not None:
        classes = [clean_name(name) for name in classes]
        labels = name_indices(labels, classes, name)
    return Listing(
        name=name,
        ids=[str(row) for row in origin.rows],
        paths=[""] * count,
        items=[DatasetItem(dataset, row, lock) for row in range(count)],
        labels=labels,
        class_names=classes,
    )
