"""A folder: a table beside its images, Parquet shards, or class folders; its splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.data.class_folders import list_class_folders, subfolders
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import choose_split, is_split_name, refuse_split, standard_split
from labelmend.data.tables import read_table
from labelmend.errors import DataError

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


class FolderReader(Reader):
    """Folders with labels.

    Looks, in this order, for a Hugging Face ``metadata`` table beside the images; ``train`` and other
    split folders; Parquet shards (here or in ``data/``); class folders.
    """

    def matches(self, source: Any) -> bool:
        """Whether it is a folder that is there."""
        return isinstance(source, str | Path) and Path(source).is_dir()

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Splits of its table, of its folders, or of its shards, whichever it has."""
        folder = Path(source)
        metadata = _metadata(folder)
        if metadata is not None:
            return manifest_splits([read_table(metadata, only="split")])
        return [split for split in (_split_folders(folder) or _shards(folder)) if split]

    def read(self, source: Any, request: Request) -> Listing:
        """List one split.

        Raises:
            DataError: If the folder holds no images with labels, or lacks the split.
        """
        return _list_folder(Path(source), request.split, request.label_column)


def _metadata(folder: Path) -> Path | None:
    return next((folder / name for name in _METADATA if (folder / name).is_file()), None)


def _split_folders(folder: Path) -> dict[str, Path]:
    """Subfolders by split, where all subfolders are splits and one of them is for training."""
    folders = subfolders(folder)
    if not folders or not all(is_split_name(sub.name) for sub in folders):
        return {}
    splits: dict[str, Path] = {}
    for sub in folders:
        split = standard_split(sub.name)
        if split in splits:
            raise DataError(f"{folder}: {splits[split].name} and {sub.name} are both its {split} split")
        splits[split] = sub
    return splits if "train" in splits else {}


def _shards(folder: Path) -> dict[str, list[Path]]:
    """Parquet files by split; files whose name starts with no split's are under ""."""
    files = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    shards: dict[str, list[Path]] = {}
    for file in files:
        word = file.stem.replace("_", "-").split("-")[0]
        shards.setdefault(standard_split(word) if is_split_name(word) else "", []).append(file)
    return shards


def _list_folder(folder: Path, split: str | None, label_column: str) -> Listing:
    name = str(folder)
    metadata = _metadata(folder)
    if metadata is not None:
        return list_tables([read_table(metadata)], name, split, label_column)
    split_folders = _split_folders(folder)
    if split_folders:
        return _list_split_folder(
            split_folders[choose_split(split_folders, split, name)], folder, label_column
        )
    shards = _shards(folder)
    if shards:
        if set(shards) == {""}:
            refuse_split(split, name)
            chosen = shards[""]
        else:
            chosen = shards[choose_split([key for key in shards if key], split, name)]
        return list_tables([read_table(file) for file in chosen], name, None, label_column)
    refuse_split(split, name)
    return list_class_folders(folder)


def _list_split_folder(folder: Path, root: Path, label_column: str) -> Listing:
    metadata = _metadata(folder)
    if metadata is not None:
        listing = list_tables([read_table(metadata)], str(root), None, label_column)
        return replace(listing, paths=[f"{folder.name}/{path}" if path else "" for path in listing.paths])
    shards = _shards(folder)
    if shards:
        tables = [read_table(file) for files in shards.values() for file in files]
        return list_tables(tables, str(root), None, label_column)
    return list_class_folders(folder, root)
