"""CIFAR-10 and CIFAR-100: official Python batches, Parquet files, or class folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from labelmend.data.benchmarks.base import FolderBenchmark
from labelmend.data.class_folders import image_files, list_class_folders, subfolders
from labelmend.data.image_set import MemoryImages
from labelmend.data.listing import Listing
from labelmend.data.manifest import Columns, list_tables
from labelmend.data.restricted_pickle import load_pickled_arrays
from labelmend.data.tables import read_table
from labelmend.errors import DataError


class Cifar(FolderBenchmark):
    """Reading shared by CIFAR-10 and CIFAR-100; labels are true, images are in the official order.

    Attributes:
        batch_folder: folder of the Python version.
        batches: its files by split.
        batch_label: key of the labels in them.
        meta: its file of class names, and the key in it.
        label_columns: columns of the labels in Parquet files, the first that is there.
    """

    home = "https://www.cs.toronto.edu/~kriz/cifar.html"
    official_counts: ClassVar[dict[str, int]] = {"train": 50_000, "test": 10_000}
    noise = "none: labels are clean; add noise with --noise"
    batch_folder: ClassVar[str]
    batches: ClassVar[dict[str, tuple[str, ...]]]
    batch_label: ClassVar[str]
    meta: ClassVar[tuple[str, str]]
    label_columns: ClassVar[tuple[str, ...]]

    def _batches(self, folder: Path) -> Path | None:
        for candidate in (folder / self.batch_folder, folder):
            if any((candidate / file).is_file() for files in self.batches.values() for file in files):
                return candidate
        return None

    def _parquet(self, folder: Path, split: str) -> list[Path]:
        for place in ("", "data/", "plain_text/"):
            files = sorted(folder.glob(f"{place}{split}.parquet")) or sorted(
                folder.glob(f"{place}{split}-*.parquet")
            )
            if files:
                return files
        return []

    def _parquet_is_ours(self, file: Path) -> bool:
        import pyarrow
        import pyarrow.parquet

        try:
            columns = pyarrow.parquet.read_schema(file).names
        except (pyarrow.ArrowException, OSError):
            return False
        return any(c in columns for c in self.label_columns) and any(c in columns for c in ("img", "image"))

    def _class_folders(self, folder: Path, split: str) -> Path | None:
        place = folder / split
        return place if place.is_dir() and subfolders(place) else None

    def _layout(self, folder: Path) -> str:
        if self._batches(folder) is not None:
            return "batches"
        shards = [file for split in self.splits for file in self._parquet(folder, split)]
        if shards and self._parquet_is_ours(shards[0]):
            return "parquet"
        if any(
            (place := self._class_folders(folder, split)) is not None
            and len(subfolders(place)) == self.num_classes
            for split in self.splits
        ):
            return "folders"
        return ""

    def recognises(self, folder: Path) -> bool:
        """Whether the folder holds official batches, Parquet files with the columns, or class folders."""
        return self._layout(folder) != ""

    def problems(self, folder: Path, split: str) -> list[str]:
        """Files or class folders of the split that are missing."""
        layout = self._layout(folder)
        if layout == "batches":
            batches = self._batches(folder)
            assert batches is not None
            wanted = (*self.batches[split], self.meta[0])
            return [f"file {batches / file} is missing" for file in wanted if not (batches / file).is_file()]
        if layout == "parquet":
            if self._parquet(folder, split):
                return []
            return [f"file {split}.parquet (or shards {split}-*.parquet) is missing in {folder}"]
        place = self._class_folders(folder, split)
        if place is None:
            return [f"folder {folder / split} with one folder for each class is missing"]
        found = subfolders(place)
        problems = [f"class folder {sub} holds no image" for sub in found if not image_files(sub)]
        if len(found) != self.num_classes:
            problems.append(f"{place} holds {len(found)} class folders, expected {self.num_classes}")
        return problems

    def read(self, folder: Path, split: str) -> Listing:
        """List a split; given labels are the true ones."""
        layout = self._layout(folder)
        if layout == "batches":
            batches = self._batches(folder)
            assert batches is not None
            return self._read_batches(batches, split)
        if layout == "parquet":
            listing = self._read_parquet(self._parquet(folder, split))
        else:
            listing = list_class_folders(folder / split, folder)
            listing = replace(listing, class_names=[sub.name for sub in subfolders(folder / split)])
        return replace(listing, true_labels=listing.labels)

    def _read_parquet(self, files: Sequence[Path]) -> Listing:
        tables = [read_table(file) for file in files]
        column = tables[0].first_column(self.label_columns) or self.label_columns[0]
        listing = list_tables(tables, self.name, None, Columns(label=column))
        names = listing.class_names
        if names is None:
            names = [str(label) for label in range(self.num_classes)]
        if len(names) != self.num_classes:
            raise DataError(f"{files[0]}: names {len(names)} classes, expected {self.num_classes}")
        return replace(listing, class_names=names)

    def _read_batches(self, folder: Path, split: str) -> Listing:
        meta_file, meta_key = self.meta
        class_names = self._value(folder / meta_file, load_pickled_arrays(folder / meta_file), meta_key)
        pixels, labels, paths = [], [], []
        for file in self.batches[split]:
            batch = load_pickled_arrays(folder / file)
            data = np.asarray(self._value(folder / file, batch, "data"))
            batch_labels = list(self._value(folder / file, batch, self.batch_label))
            names = list(batch.get("filenames", [""] * len(data)))
            if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
                raise DataError(
                    f"{folder / file}: data is {data.dtype} {data.shape}, expected uint8 (N, 3072)"
                )
            if not len(data) == len(batch_labels) == len(names):
                raise DataError(
                    f"{folder / file}: {len(data)} images, {len(batch_labels)} labels, {len(names)} names"
                )
            if any(not 0 <= label < len(class_names) for label in batch_labels):
                raise DataError(f"{folder / file}: a label is not in 0..{len(class_names) - 1}")
            pixels.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels += [str(class_names[label]) for label in batch_labels]
            paths += [str(name) for name in names]
        stacked = np.ascontiguousarray(np.concatenate(pixels))
        return Listing(
            name=self.name,
            ids=[str(row) for row in range(len(labels))],
            paths=paths,
            labels=list(labels),
            class_names=[str(name) for name in class_names],
            true_labels=list(labels),
            images=MemoryImages(torch.from_numpy(stacked)),
        )

    @staticmethod
    def _value(path: Path, values: dict[str, Any], key: str) -> Any:
        if key not in values:
            raise DataError(f"{path}: there is no {key!r} in it; it has {', '.join(map(str, values))}")
        return values[key]
