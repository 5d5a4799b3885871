"""A folder: a table beside its images, Parquet shards, or class folders; its splits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from labelmend.data.class_folders import list_class_folders, subfolders
from labelmend.data.columns import describes_images
from labelmend.data.labels import list_classes
from labelmend.data.layout import Layout, Part, find_layout, holds_images, is_run
from labelmend.data.listing import Listing
from labelmend.data.locate import Locator
from labelmend.data.manifest import Columns, list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import NO_SPLITS, choose_split, refuse_split, split_of, standard_split
from labelmend.data.tables import Table, read_table
from labelmend.data.tables_beside import metadata_of, table_beside, tables_in, tables_of_splits
from labelmend.errors import DataError, LabelmendWarning, UnlabelledError

_PART = re.compile(r"(.*-)([0-9]+)-of-([0-9]+)(\.parquet)")
_SAVED_TO_DISK = ("dataset_dict.json", "state.json")
"""Written by Hugging Face's ``save_to_disk``."""
_MOST_PARTS = 100_000


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
        metadata, _ = _metadata(folder, only="split")
        if metadata is not None:
            return manifest_splits([metadata])
        layout = find_layout(folder)
        if layout.splits:
            return list(dict.fromkeys([*layout.splits, *tables_of_splits(layout.folder)]))
        shards = _shards(folder)
        if set(shards) == {""}:
            return manifest_splits([read_table(file, only="split") for file in shards[""]])
        return list(shards) or _splits_beside(layout.folder)

    def read(self, source: Any, request: Request) -> Listing:
        """List one split.

        Raises:
            DataError: If the folder holds no images with labels, or lacks the split.
        """
        if is_run(Path(source)):
            raise DataError(
                f"{source} is the folder of a run, not of images; give the images it was trained on"
            )
        if any((Path(source) / name).is_file() for name in _SAVED_TO_DISK):
            raise DataError(
                f"{source} was written by save_to_disk of datasets; give what datasets.load_from_disk makes "
                "of it to labelmend.fit, or write it again with to_parquet"
            )
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
    _warn_of_missing(files, folder)
    if len(configurations) > 1:
        names = ", ".join(sorted("/".join(names) or "." for names in configurations))
        raise DataError(f"{folder}: holds several configurations ({names}); give the folder of one")
    return shards


def _warn_of_missing(files: Sequence[Path], folder: Path) -> None:
    """Warn of files such as ``train-00001-of-00003.parquet`` that are not there.

    Warns:
        LabelmendWarning: With the first of them.
    """
    there = {file.relative_to(folder).as_posix() for file in files}
    missing = set()
    for name in there:
        if found := _PART.fullmatch(name):
            before, number, count, suffix = found.groups()
            parts = (f"{before}{part:0{len(number)}}-of-{count}{suffix}" for part in range(int(count)))
            missing |= set(islice(parts, _MOST_PARTS)) - there
    if missing:
        warnings.warn(
            f"{folder}: {len(missing):,} of its files are not there, first {min(missing)}; fetch them to "
            "train on all images",
            LabelmendWarning,
            stacklevel=2,
        )


def _list_folder(folder: Path, request: Request) -> Listing:
    name = str(folder)
    metadata, notes = _metadata(folder, request.columns)
    if metadata is not None:
        return list_tables([metadata], name, request.split, request.columns)
    shards = _shards(folder)
    layout = find_layout(folder, request.split)
    if layout.splits:
        return _with_notes(_list_split(layout, folder, request), notes)
    if set(shards) == {""}:
        return list_tables([read_table(file) for file in shards[""]], name, request.split, request.columns)
    if shards:
        files = shards[choose_split(shards, request.split, name)]
        return list_tables([read_table(file) for file in files], name, NO_SPLITS, request.columns)
    return _with_notes(_list_classes(layout.folder, folder, request), layout.notes)


def _metadata(
    folder: Path, columns: Columns | None = None, only: str | None = None
) -> tuple[Table | None, list[str]]:
    """The table that describes the images of a folder, and a note where one beside folders does not.

    Where a column of it is asked for by name, it is meant.
    """
    path = metadata_of(folder)
    if path is None:
        return None, []
    table, columns = read_table(path, only=only), columns or Columns()
    meant = columns.image is not None or columns.group is not None or columns.label != Columns.label
    locator = Locator(columns.root or folder)
    if meant or describes_images(table, locator) or not any(holds_images(s) for s in subfolders(folder)):
        return table, []
    return None, [f"{path.name} names no images and is not read"]


def _list_split(layout: Layout, folder: Path, request: Request) -> Listing:
    wanted = standard_split(request.split or "train")
    if wanted not in layout.splits and wanted in tables_of_splits(layout.folder):
        return _list_table_beside(layout.folder, wanted, request, UnlabelledError())
    split, part = layout.choose(request.split, str(folder))
    try:
        return _with_notes(_list_part(part, layout.folder, folder, request), layout.notes)
    except UnlabelledError as error:
        return _list_table_beside(layout.folder, split, request, error)


def _has_classes(folder: Path) -> bool:
    return len([sub for sub in subfolders(folder) if holds_images(sub)]) > 1


def _splits_beside(folder: Path) -> list[str]:
    """Splits of the tables beside images that lie in no class folders."""
    if _has_classes(folder):
        return []
    table = table_beside(folder)
    own = [] if table is None else manifest_splits([read_table(table, only="split")])
    return list(dict.fromkeys([*tables_of_splits(folder), *own]))


def _list_classes(folder: Path, root: Path, request: Request) -> Listing:
    """Class folders; where there are fewer than two, a table beside them may say the labels."""
    if _has_classes(folder):
        refuse_split(request.split, str(root))
        unread = list_classes([table.name for table in tables_in(folder)])
        notes = [f"labels are those of the folders; {unread} is not read (give it as the source)"]
        return _with_notes(list_class_folders(folder, root), notes if unread else [])
    splits = _splits_beside(folder)
    split = choose_split(splits, request.split, str(root)) if splits and request.split != NO_SPLITS else None
    if split is None:
        refuse_split(request.split, str(root))
    try:
        listing = list_class_folders(folder, root)
    except UnlabelledError as error:
        return _list_table_beside(folder, split or request.split, request, error)
    one = UnlabelledError(
        f"{folder}: all images are in one folder, which would be the only class; put those of each class in "
        "a folder of its own"
    )
    try:
        return _list_table_beside(folder, split or request.split, request, one)
    except UnlabelledError:
        if tables_in(folder):
            raise
        return listing


def _list_table_beside(folder: Path, split: str | None, request: Request, error: UnlabelledError) -> Listing:
    """The images of a folder by the one table in it, e.g. Kaggle's ``train.csv`` beside ``train/``.

    Raises:
        UnlabelledError: The error given, if there is no such table.
    """
    table = table_beside(folder, None if split == NO_SPLITS else split)
    if table is None:
        names = list_classes([table.name for table in tables_in(folder)])
        raise (
            UnlabelledError(f"{error}; or give one of its tables as the source: {names}") if names else error
        )
    read = read_table(table)
    splits = manifest_splits([read])
    if split not in (None, "train", NO_SPLITS, *splits) and table not in tables_of_splits(folder).values():
        raise error
    of_rows = split if split in (None, NO_SPLITS, *splits) else NO_SPLITS
    listing = list_tables([read], str(folder), of_rows, request.columns)
    return _with_notes(listing, [f"labels are those of {table.name}"])


def _with_notes(listing: Listing, notes: list[str]) -> Listing:
    return replace(listing, notes=[*notes, *listing.notes]) if notes else listing


def _list_part(part: Part, folder: Path, root: Path, request: Request) -> Listing:
    """One split: class folders, a table beside its images, or shards."""
    if not isinstance(part, Path):
        return list_class_folders(folder, root, part)
    metadata, notes = _metadata(part, request.columns)
    if metadata is not None:
        listing = list_tables([metadata], str(root), NO_SPLITS, request.columns)
        above = part.relative_to(root).as_posix()
        return replace(listing, paths=[f"{above}/{path}" if path else "" for path in listing.paths])
    shards = _shards(part)
    if shards:
        tables = [read_table(file) for files in shards.values() for file in files]
        return list_tables(tables, str(root), NO_SPLITS, request.columns)
    try:
        return _with_notes(list_class_folders(part, root), notes)
    except UnlabelledError as error:
        return _list_table_beside(part, None, request, error)
