"""File names as tables write them -> files."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.splits import split_of
from labelmend.data.walk import ImageWalk
from labelmend.errors import DataError
from labelmend.text import as_name

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Locator:
    """Finds images by what a table calls them.

    A name is a path from ``folder``. Where there is no such file, the files below the folder are searched
    for the one whose path ends like the name, with or without its suffix.

    Attributes:
        folder: that names are relative to.
        split: where several files fit, those in a folder of this split go first, e.g. for ``train.csv``.
    """

    folder: Path
    split: str | None = None

    def find(self, name: str, where: str) -> tuple[Path | None, bool]:
        """The file of a name, or None, and whether it had to be searched for.

        Raises:
            DataError: If several files fit equally well.
        """
        for plain in (name, as_name(name), name.strip().replace("\\", "/")):
            file = self.folder / plain
            if plain and _is_file(file):
                return file, False
        plain = unquote(_ADDRESS.sub("", name.strip().replace("\\", "/")))
        plain = plain.rpartition("?d=")[2].partition("?")[0]
        for candidate in dict.fromkeys((plain, _UPLOADED.sub("", PurePosixPath(plain).name))):
            found = self._search(candidate, where)
            if found is not None:
                return found, True
        return None, False

    def _search(self, name: str, where: str) -> Path | None:
        parts = _parts(name)
        if not parts:
            return None
        whole = PurePosixPath(parts[-1]).suffix in IMAGE_SUFFIXES
        files = (self._by_name if whole else self._by_stem).get(parts[-1], [])
        matches = [(self._agreement(parts, file), file) for file in files]
        best = max((agreement for agreement, _ in matches), default=(0, False))
        fitting = [file for agreement, file in matches if agreement == best]
        if len(fitting) > 1:
            raise DataError(
                f"{where}: {name!r} may be {fitting[0].relative_to(self.folder)} or "
                f"{fitting[1].relative_to(self.folder)}; write paths into the table, or name the folder of "
                "the images with --image-root"
            )
        return fitting[0] if fitting else None

    def _agreement(self, parts: list[str], file: Path) -> tuple[int, bool]:
        """How many folders at the end of two paths agree, and whether the file lies in the split."""
        folders = _parts(file.relative_to(self.folder).parent.as_posix())
        same = 0
        for ours, theirs in zip(reversed(parts[:-1]), reversed(folders), strict=False):
            if ours != theirs:
                break
            same += 1
        return same, self.split is not None and any(split_of(folder) == self.split for folder in folders)

    @cached_property
    def _files(self) -> list[Path]:
        return ImageWalk(self.folder).files(self.folder) if self.folder.is_dir() else []

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for file in self._files:
            found[_parts(file.name)[-1]].append(file)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for file in self._files:
            found[_parts(file.stem)[-1]].append(file)
        return found


def _parts(path: str) -> list[str]:
    """Parts of a path in one Unicode form and in lower case, as file systems differ in both."""
    return [unicodedata.normalize("NFC", part).lower() for part in path.split("/") if part not in ("", ".")]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
