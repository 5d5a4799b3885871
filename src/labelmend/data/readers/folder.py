"""A folder: a table beside its images, Parquet shards, or class folders; its splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.data.class_folders import list_class_folders
from labelmend.data.layout import Part, find_layout, metadata_of, table_beside
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import choose_split, refuse_split, split_of
from labelmend.data.tables import read_table
from labelmend.errors import DataError, UnlabelledError


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
    """Parquet files by split; files of which neither name nor folder is a split's are under "".

    Raises:
        DataError: If they are of several configurations.
    """
    patterns = ("*.parquet", "data/*.parquet", "*/*.parquet", "*/*/*.parquet")
    files = next((found for pattern in patterns if (found := sorted(folder.glob(pattern)))), [])
    shards: dict[str, list[Path]] = {}
    configurations = set()
    for file in files:
        inner = file.relative_to(folder).parts[:-1]
        split = split_of(file.stem.replace("_", "-").split("-")[0])
        above = [of_folder for part in inner if (of_folder := split_of(part))]
        configurations.add(tuple(part for part in inner if not split_of(part)))
        shards.setdefault(split or next(iter(above), ""), []).append(file)
    if len(configurations) > 1:
        names = ", ".join(sorted("/".join(names) or "." for names in configurations))
        raise DataError(f"{folder}: holds several configurations ({names}); give the folder of one")
    return shards


def _list_folder(folder: Path, request: Request) -> Listing:
    name = str(folder)
    metadata = metadata_of(folder)
    if metadata is not None:
        return list_tables([read_table(metadata)], name, request.split, request.columns)
    shards = _shards(folder)
    layout = find_layout(folder, request.split)
    if layout.splits:
        split, part = layout.choose(request.split, name)
        try:
            return _with_notes(_list_part(part, layout.folder, folder, request), layout.notes)
        except UnlabelledError as error:
            return _list_table_beside(layout.folder, split, request, error)
    if shards:
        if set(shards) == {""}:
            refuse_split(request.split, name)
            files = shards[""]
        else:
            files = shards[choose_split([key for key in shards if key], request.split, name)]
        return list_tables([read_table(file) for file in files], name, None, request.columns)
    refuse_split(request.split, name)
    return _with_notes(_list_classes(layout.folder, folder, request), layout.notes)


def _list_classes(folder: Path, root: Path, request: Request) -> Listing:
    """Class folders; where there are fewer than two, a table beside them may say the labels."""
    try:
        listing = list_class_folders(folder, root)
    except UnlabelledError as error:
        return _list_table_beside(folder, None, request, error)
    if len(set(listing.labels or ())) > 1 or table_beside(folder) is None:
        return listing
    try:
        return _list_table_beside(folder, None, request, UnlabelledError())
    except UnlabelledError:
        return listing


def _list_table_beside(folder: Path, split: str | None, request: Request, error: UnlabelledError) -> Listing:
    """The images of a folder by the one table in it, e.g. Kaggle's ``train.csv`` beside ``train/``.

    Raises:
        UnlabelledError: The error given, if there is no such table.
    """
    table = table_beside(folder, split)
    if table is None:
        raise error
    listing = list_tables([read_table(table)], str(folder), None, request.columns)
    return _with_notes(listing, [f"labels are those of {table.name}"])


def _with_notes(listing: Listing, notes: list[str]) -> Listing:
    return replace(listing, notes=[*notes, *listing.notes]) if notes else listing


def _list_part(part: Part, folder: Path, root: Path, request: Request) -> Listing:
    """One split: class folders, a table beside its images, or shards."""
    if not isinstance(part, Path):
        return list_class_folders(folder, root, part)
    metadata = metadata_of(part)
    if metadata is not None:
        listing = list_tables([read_table(metadata)], str(root), None, request.columns)
        above = part.relative_to(root).as_posix()
        return replace(listing, paths=[f"{above}/{path}" if path else "" for path in listing.paths])
    shards = _shards(part)
    if shards:
        tables = [read_table(file) for files in shards.values() for file in files]
        return list_tables(tables, str(root), None, request.columns)
    try:
        return list_class_folders(part, root)
    except UnlabelledError as error:
        return _list_table_beside(part, None, request, error)
