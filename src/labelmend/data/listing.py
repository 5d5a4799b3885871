"""What a source lists before any image is decoded: items, raw labels, ids and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from labelmend.data.image_file import Encoded
from labelmend.data.image_set import Images, MemoryImages, Skipped, Subset
from labelmend.text import as_text

Label = str | int
T = TypeVar("T")


def _take(column: Sequence[T] | None, rows: Sequence[int]) -> list[T] | None:
    return None if column is None else [column[row] for row in rows]


def _take_images(images: Images | None, rows: Sequence[int]) -> Images | None:
    index = torch.as_tensor(rows, dtype=torch.int64)
    if isinstance(images, MemoryImages):
        return MemoryImages(images.pixels[index])
    return None if images is None else Subset(images, index)


@dataclass(frozen=True)
class LabelPlace:
    """Where the given labels of N images are written: cells of one table.

    Attributes:
        path: the file of the table.
        column: that holds them; None where they are in one-hot columns.
        rows: of the N images, from 0; None for an image whose label is not in the table.
        num_rows: rows of the table, those of other images included.
    """

    path: Path
    column: str | None
    rows: list[int | None]
    num_rows: int


@dataclass(frozen=True)
class Listing:
    """N images of a source, not yet decoded.

    Attributes:
        name: what the source is called in messages.
        ids: N strings.
        paths: N file paths as written in the source, "" where there is none.
        items: N encoded images (files, bytes, arrays or objects that open themselves); none where
            ``images`` has them decoded.
        labels: N raw given labels (class names, or integers), or None for unlabelled images.
        class_names: classes in index order where the source fixes them, else None.
        true_labels: N raw true labels, or None.
        trusted: N flags, or None.
        groups: N names; images of equal ones belong together, e.g. of one patient. Or None.
        images: the images where they are at hand already decoded.
        label_place: the table that labels are read from, where it is one file.
        class_folders: class of each class folder, where labels are the folders that images lie in.
        mirror_safe: whether a mirrored image keeps its class; None where that is not known.
        from_table: whether rows of a table, or of columns in memory, name the images.
        skipped: files that were left out before, with the reason.
        notes: what was assumed about the source, one line each, with the flag that changes it.
    """

    name: str
    ids: list[str]
    paths: list[str]
    items: Sequence[Encoded] = ()
    labels: list[Label] | None = None
    class_names: list[str] | None = None
    true_labels: list[Label] | None = None
    trusted: list[bool] | None = None
    groups: list[str] | None = None
    images: Images | None = None
    label_place: LabelPlace | None = None
    class_folders: Mapping[Path, str] | None = None
    mirror_safe: bool | None = None
    from_table: bool = False
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write names that are no UTF-8 as text: they end up in tables, and come back from them."""
        for column in ("ids", "paths", "labels", "class_names", "true_labels", "groups"):
            values = getattr(self, column)
            if values is not None:
                text = [as_text(value) if isinstance(value, str) else value for value in values]
                object.__setattr__(self, column, text)

    def __len__(self) -> int:
        """Number of images listed."""
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Listing:
        """The images at ``rows``, in that order."""
        place = self.label_place
        return replace(
            self,
            label_place=None if place is None else replace(place, rows=[place.rows[row] for row in rows]),
            ids=[self.ids[row] for row in rows],
            paths=[self.paths[row] for row in rows],
            items=[self.items[row] for row in rows] if self.images is None else [],
            labels=_take(self.labels, rows),
            true_labels=_take(self.true_labels, rows),
            trusted=_take(self.trusted, rows),
            groups=_take(self.groups, rows),
            images=_take_images(self.images, rows),
        )
