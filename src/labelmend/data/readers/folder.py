"""A folder: a table beside its images, Parquet shards, or class folders; its splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.data.class_folders import list_class_folders
from labelmend.data.layout import Part, find_layout, metadata_of
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import choose_split, is_split_name, refuse_split, standard_split
from labelmend.data.tables import read_table


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
        metadata = metadata_of(folder)
        if metadata is not None:
            return manifest_splits([read_table(metadata, only="split")])
        return [split for split in (find_layout(folder).splits or _shards(folder)) if split]

    def read(self, source: Any, request: Request) -> Listing:
        """List one split.

        Raises:
            DataError: If the folder holds no images with labels, or lacks the split.
        """
        return _list_folder(Path(source), request)


def _shards(folder: Path) -> dict[str, list[Path]]:
    """Parquet files by split; files whose name starts with no split's are under ""."""
    files = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    shards: dict[str, list[Path]] = {}
    for file in files:
        word = file.stem.replace("_", "-").split("-")[0]
        shards.setdefault(standard_split(word) if is_split_name(word) else "", []).append(file)
    return shards


def _list_folder(folder: Path, request: Request) -> Listing:
    name = str(folder)
    metadata = metadata_of(folder)
    if metadata is not None:
        return list_tables([read_table(metadata)], name, request.split, request.label_column)
    shards = _shards(folder)
    layout = find_layout(folder, request.split)
    if layout.splits:
        _, part = layout.choose(request.split, name)
        return _with_notes(_list_part(part, layout.folder, folder, request), layout.notes)
    if shards:
        if set(shards) == {""}:
            refuse_split(request.split, name)
            chosen = shards[""]
        else:
            chosen = shards[choose_split([key for key in shards if key], request.split, name)]
        return list_tables([read_table(file) for file in chosen], name, None, request.label_column)
    refuse_split(request.split, name)
    return _with_notes(list_class_folders(layout.folder, folder), layout.notes)


def _with_notes(listing: Listing, notes: list[str]) -> Listing:
    return replace(listing, notes=[*notes, *listing.notes]) if notes else listing


def _list_part(part: Part, folder: Path, root: Path, request: Request) -> Listing:
    """One split: class folders, a table beside its images, or shards."""
    if not isinstance(part, Path):
        return list_class_folders(folder, root, part)
    metadata = metadata_of(part)
    if metadata is not None:
        listing = list_tables([read_table(metadata)], str(root), None, request.label_column)
        above = part.relative_to(root).as_posix()
        return replace(listing, paths=[f"{above}/{path}" if path else "" for path in listing.paths])
    shards = _shards(part)
    if shards:
        tables = [read_table(file) for files in shards.values() for file in files]
        return list_tables(tables, str(root), None, request.label_column)
    return list_class_folders(part, root)
