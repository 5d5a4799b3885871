"""Image files and folders of them, to classify."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelmend.data.image_set import Skipped
from labelmend.data.listing import Listing
from labelmend.data.readers.base import Reader, Request
from labelmend.data.walk import ImageWalk
from labelmend.errors import DataError


class FilesReader(Reader):
    """A path or a list of paths; folders are searched at any depth."""

    labelled = False
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is a path, or a list of nothing else."""
        return all(isinstance(part, str | Path) for part in _parts(source))

    def read(self, source: Any, request: Request) -> Listing:
        """List each file as often as it is named, and once if a folder alone has it; ids are paths as given.

        Raises:
            DataError: If a file or folder is not there.
        """
        return _list_files([Path(part) for part in _parts(source)])


def _parts(source: Any) -> Sequence[Any]:
    return source if isinstance(source, list | tuple) else [source]


def _list_files(parts: Sequence[Path]) -> Listing:
    files: list[Path] = []
    left_out: list[Skipped] = []
    for part in parts:
        if not part.exists():
            raise DataError(f"{part}: there is no such file or folder")
        if not part.is_dir():
            files.append(part)
            continue
        walk = ImageWalk(part)
        known = set(files)
        files += [file for file in walk.files(part) if file not in known]
        left_out += [Skipped(str(part / entry.path), entry.reason) for entry in walk.left_out]
    names = list(map(str, files))
    name = str(parts[0]) if len(parts) == 1 else f"{len(parts)} files and folders"
    return Listing(name=name, ids=names, paths=list(names), items=files, skipped=left_out)
