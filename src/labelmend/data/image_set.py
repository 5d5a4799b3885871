"""Images with given labels and stable ids: what every data source becomes."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from labelmend.errors import DataError

MEMORY_LIMIT = 4 * 2**30
"""Bytes up to which decoded images, or features, are held in memory."""


class Images(Protocol):
    """N images of one size, or their features, fetched by index; in memory or made on demand."""

    @property
    def in_memory(self) -> bool:
        """Whether fetching is but a copy, not worth doing ahead of time."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, height, width, channels), channels 1 (grey) or 3 (RGB); of features (N, views, d)."""
        ...

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index`` (int64, shape (B,)).

        uint8 of shape (B, height, width, channels); features float32 of shape (B, views, d).
        """
        ...


@dataclass(frozen=True)
class MemoryImages:
    """Images held as one uint8 tensor of shape (N, height, width, channels)."""

    pixels: Tensor
    in_memory: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, height, width, channels)."""
        n, height, width, channels = self.pixels.shape
        return n, height, width, channels

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index``, uint8, (B, height, width, channels)."""
        return self.pixels[index.to(self.pixels.device)]


@dataclass(frozen=True)
class Subset:
    """Some images of another collection, without a copy."""

    images: Images
    index: Tensor

    @property
    def in_memory(self) -> bool:
        """Whether the whole collection is in memory."""
        return self.images.in_memory

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the collection, with its own N."""
        return (len(self.index), *self.images.shape[1:])

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index``, as the collection gives them."""
        return self.images.gather(self.index[index])


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, e.g. as it could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ImageSet:
    """N images with given labels.

    Attributes:
        images: the pixels, or features.
        given_labels: int64 array of shape (N,), indices into ``class_names``; as supplied, maybe wrong.
        class_names: names of the C classes, in index order.
        ids: N unique strings that stay the same between runs (relative path or row id).
        paths: N file paths as written in the source ("" where an image has none).
        true_labels: int64 array of shape (N,), known only in benchmarks, or None.
        trusted: bool array of shape (N,): labels a person has confirmed, or None.
        groups: N names; images of equal ones (of one patient, camera, video) are never divided between
            training and what it is checked on. Or None.
        same_pictures: rows of images that are equal pixel by pixel, each group in order.
        pixel_range: values (low, high) that became 0 and 255 where images have more than 8 bits, else None.
        skipped: files of the source that were left out, with the reason.
        notes: what was assumed about the source, one line each, with the flag that changes it.
        name: what the set is called in logs, e.g. the source string.
        mirror_safe: whether a mirrored image keeps its class; None where that is not known.
    """

    images: Images
    given_labels: np.ndarray
    class_names: list[str]
    ids: list[str]
    paths: list[str]
    true_labels: np.ndarray | None = None
    trusted: np.ndarray | None = None
    groups: list[str] | None = None
    same_pictures: list[list[int]] = field(default_factory=list)
    pixel_range: tuple[float, float] | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    name: str = ""
    mirror_safe: bool | None = None

    def __post_init__(self) -> None:
        """Check that all columns have one length and that ids are unique."""
        n = self.images.shape[0]
        columns: dict[str, Sized] = {"given_labels": self.given_labels, "ids": self.ids, "paths": self.paths}
        if self.true_labels is not None:
            columns["true_labels"] = self.true_labels
        if self.trusted is not None:
            columns["trusted"] = self.trusted
        if self.groups is not None:
            columns["groups"] = self.groups
        for column, values in columns.items():
            if len(values) != n:
                raise DataError(f"{self.name}: {n} images but {len(values)} {column}")
        if len(set(self.ids)) != n:
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise DataError(f"{self.name}: id {twice!r} occurs more than once; give each image its own id")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.ids)

    @property
    def has_features(self) -> bool:
        """Whether the images are features that a frozen backbone made of them."""
        return len(self.images.shape) == 3

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    def conflicts(self) -> list[list[int]]:
        """Rows of one picture that stands under several given labels: all but one of them are wrong."""
        return [rows for rows in self.same_pictures if len(set(self.given_labels[rows].tolist())) > 1]

    def with_labels(self, given_labels: np.ndarray) -> ImageSet:
        """The same images with other given labels (int64, shape (N,))."""
        return replace(self, given_labels=np.asarray(given_labels, dtype=np.int64))

    def subset(self, index: Sequence[int] | np.ndarray) -> ImageSet:
        """The images at ``index``, in that order, with all their columns."""
        rows = np.asarray(index, dtype=np.int64)
        return replace(
            self,
            images=Subset(self.images, torch.from_numpy(rows)),
            given_labels=self.given_labels[rows],
            ids=[self.ids[i] for i in rows],
            paths=[self.paths[i] for i in rows],
            true_labels=None if self.true_labels is None else self.true_labels[rows],
            trusted=None if self.trusted is None else self.trusted[rows],
            groups=None if self.groups is None else [self.groups[i] for i in rows],
            same_pictures=_kept_groups(self.same_pictures, rows),
        )


def _kept_groups(groups: list[list[int]], rows: np.ndarray) -> list[list[int]]:
    """Groups of rows in their new numbers, where at least two are kept."""
    if not groups:
        return []
    places = {int(row): place for place, row in enumerate(rows)}
    kept = [sorted(places[row] for row in group if row in places) for group in groups]
    return [group for group in kept if len(group) > 1]
