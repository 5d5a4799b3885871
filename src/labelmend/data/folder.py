"""What kind of data set a folder holds: a manifest, Parquet shards, or class folders; its splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelmend.data.class_folders import list_class_folders, subfolders
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.splits import choose_split, is_split_name, refuse_split, standard_split
from labelmend.data.tables import read_table
from labelmend.errors import DataError

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


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


def folder_splits(folder: Path) -> list[str]:
    """Names of the splits that a folder holds, or none."""
    metadata = _metadata(folder)
    if metadata is not None:
        return manifest_splits([read_table(metadata, only="split")])
    return [split for split in (_split_folders(folder) or _shards(folder)) if split]


def list_folder(folder: Path, split: str | None, label_column: str) -> Listing:
    """List the images of a folder.

    Looks, in this order, for a Hugging Face ``metadata`` table beside the images; ``train`` and other
    split folders; Parquet shards (here or in ``data/``); class folders.

    Args:
        folder: the folder.
        split: which split to list; by default ``train`` where there are splits.
        label_column: column of the given labels in a table.

    Raises:
        DataError: If the folder is none of these, or lacks the split.
    """
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
