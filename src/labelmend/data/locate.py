"""File names as tables write them -> files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.splits import split_of
from labelmend.data.walk import ImageWalk
from labelmend.errors import DataError
from labelmend.text import as_name

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""
_UPLOADS = ("upload", "images")
"""The last folders, or one above a number, that Label Studio writes before such a name."""
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)


@dataclass(frozen=True)
class Locator:
    """Finds images by what a table calls them.

    A name is a path from ``folder``. Where there is no such file, the files below the folder are searched
    for the one whose path ends like the name, with or without its suffix. If the name has folders, the last
    of them must be that of the file: ``dog/1.png`` is never ``cat/1.png``. A file of another split than the
    name's, and one that another name of the table leads to directly, are never taken either.

    Attributes:
        folder: that names are relative to.
        split: of the table, e.g. for ``train.csv``; counts as that of names without one. Where several files
            fit, those in a folder of it go first.
        names: all that the table names.
    """

    folder: Path
    split: str | None = None
    names: Sequence[Any] = ()

    def among(self, names: Sequence[Any]) -> Locator:
        """The same for a table of these names; the folder is not walked through again."""
        found = replace(self, names=names)
        if "_by_end" in vars(self):
            vars(found)["_by_end"] = self._by_end
        return found

    def find(self, name: str, where: str) -> tuple[Path | None, bool]:
        """The file of a name, or None, and whether it had to be searched for.

        Raises:
            DataError: If several files fit equally well.
        """
        file = self._at(name)
        if file is not None:
            return file, False
        plain = name.strip().replace("\\", "/")
        address = _ADDRESS.match(plain)
        plain = unquote(_ADDRESS.sub("", plain))
        plain = plain.rpartition("?d=")[2].partition("?")[0]
        # The host of a web address is no folder.
        found = self._search(plain, where, without=1 if address and address["scheme"] != "file" else 0)
        if found is None and (uploaded := _uploaded(plain)) is not None:
            found = self._search(uploaded, where)
        return found, found is not None

    def _at(self, name: str) -> Path | None:
        """The file that lies where a name says."""
        for plain in (name, as_name(name), name.strip().replace("\\", "/")):
            file = self.folder / plain
            if plain and _is_file(file):
                return file
        return None

    def _search(self, name: str, where: str, without: int = 0) -> Path | None:
        """The one file whose path ends like a name, of which the first ``without`` parts are no folders."""
        parts = _parts(name)
        if not parts:
            return None
        whole = PurePosixPath(parts[-1]).suffix in IMAGE_SUFFIXES
        end = parts[-2:] if len(parts) > 1 + without else parts[-1:]
        files = self._by_end.get((whole, *end), [])
        matches = [(self._agreement(parts, file), file) for file in files if self._may_be(parts, file)]
        best = max((agreement for agreement, _ in matches), default=None)
        fitting = [file for agreement, file in matches if agreement == best]
        if len(fitting) > 1:
            raise DataError(
                f"{where}: {name!r} may be {fitting[0].relative_to(self.folder)} or "
                f"{fitting[1].relative_to(self.folder)}; write paths into the table, or name the folder of "
                "the images with --image-root"
            )
        return fitting[0] if fitting and not self._is_named(fitting[0]) else None

    def _may_be(self, parts: list[str], file: Path) -> bool:
        """Whether a file is not of another split than the name says, or else the table."""
        wanted = _splits(parts[:-1]) or ({self.split} if self.split else set())
        splits = _splits(self._below(file))
        return not wanted or not splits or not splits.isdisjoint(wanted)

    def _agreement(self, parts: list[str], file: Path) -> tuple[int, bool]:
        """How many folders at the end of two paths agree, and whether the file lies in the table's split."""
        below = self._below(file)
        same = 0
        for ours, theirs in zip(reversed(parts[:-1]), reversed(self._above + below), strict=False):
            if ours != theirs:
                break
            same += 1
        return same, self.split in _splits(below)

    def _is_named(self, file: Path) -> bool:
        """Whether a name of the table leads to a file directly."""
        last = _parts(file.name)[-1]
        if last not in self._direct:
            found = map(self._at, self._names_by_last.get(last, ()))
            self._direct[last] = {os.path.abspath(path) for path in found if path is not None}
        return os.path.abspath(file) in self._direct[last]

    @cached_property
    def _direct(self) -> dict[str, set[str]]:
        return {}

    @cached_property
    def _names_by_last(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            parts = (
                _parts(str(name).strip().replace("\\", "/")) if isinstance(name, str | os.PathLike) else ()
            )
            if parts:
                found[parts[-1]].append(str(name))
        return found

    @cached_property
    def _above(self) -> list[str]:
        """The parts of the folder itself, from the root."""
        return _parts(Path(os.path.abspath(self.folder)).as_posix())

    def _below(self, file: Path) -> list[str]:
        """The folders of a file, from the folder."""
        return _parts(file.relative_to(self.folder).parent.as_posix())

    @cached_property
    def _by_end(self) -> dict[tuple[bool | str, ...], list[Path]]:
        """Files by their name (True) or stem (False), alone and with their last folder before it."""
        found: dict[tuple[bool | str, ...], list[Path]] = defaultdict(list)
        for file in ImageWalk(self.folder).files(self.folder) if self.folder.is_dir() else ():
            folders = self._above + self._below(file)
            for whole, name in ((True, file.name), (False, file.stem)):
                last = _parts(name)[-1]
                found[whole, last].append(file)
                if folders:
                    found[whole, folders[-1], last].append(file)
        return found


def _splits(folders: Sequence[str]) -> set[str]:
    """The splits that folders are called like."""
    return {split for folder in folders if (split := _split(folder)) is not None}


_split = lru_cache(maxsize=100_000)(split_of)


def _parts(path: str) -> list[str]:
    """Parts of a path in one Unicode form and in lower case, as file systems differ in both."""
    return [unicodedata.normalize("NFC", part).lower() for part in path.split("/") if part not in ("", ".")]


def _uploaded(name: str) -> str | None:
    """The name that a file had before it was uploaded to Label Studio; None if it was not."""
    *folders, last = _parts(name) or [""]
    if folders and folders[-1] not in _UPLOADS and folders[-2:-1] != [_UPLOADS[0]]:
        return None
    before = _UPLOADED.sub("", last, count=1)
    return before if before != last else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
