"""Rows of features in files that only grow, found again by what they were computed from."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from labelmend.errors import LabelmendWarning, WriteError
from labelmend.files import reason, write_json

KEY_BYTES = 32
_ENTRY = np.dtype([("key", f"V{KEY_BYTES}"), ("checksum", "<u4")])
_READ_AT_ONCE = 4096


def _checksum(key: bytes, row: np.ndarray) -> int:
    return zlib.crc32(row.data, zlib.crc32(key))


def _append(path: Path, content: np.ndarray) -> None:
    with path.open("ab") as file:
        file.write(content.data)
        file.flush()
        os.fsync(file.fileno())


class FeatureFile:
    """Rows of d float32 numbers in one file, their keys and checksums in another.

    A row is on disk before its key, so that a row with a key is whole wherever a process was killed. Rows
    whose checksum fails are as good as absent: they are computed and appended again.

    Args:
        path: of the rows; that of the keys ends in ``.keys``.
        dim: d.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim
        self.keys_path = path.with_suffix(".keys")
        self.rows: dict[bytes, int] = {}
        self.count = 0
        self.read_new()

    def __contains__(self, key: bytes) -> bool:
        return key in self.rows

    def read_new(self) -> None:
        """Take notice of the whole rows that have been appended since."""
        first, self.count = self.count, self._whole()
        if self.count == first:
            return
        entries = np.fromfile(self.keys_path, _ENTRY, self.count - first, offset=first * _ENTRY.itemsize)
        rows = self.mapped()[first:]
        for start in range(0, len(entries), _READ_AT_ONCE):
            block = np.asarray(rows[start : start + _READ_AT_ONCE])
            for place, (entry, row) in enumerate(zip(entries[start:], block, strict=False), first + start):
                key = entry["key"].tobytes()
                if _checksum(key, row) == entry["checksum"]:
                    self.rows[key] = place

    def _whole(self) -> int:
        if not (self.path.is_file() and self.keys_path.is_file()):
            return 0
        keys = self.keys_path.stat().st_size // _ENTRY.itemsize
        return min(keys, self.path.stat().st_size // (4 * self.dim))

    def cut_torn_tail(self) -> None:
        """Cut off what a killed process has left of a row; for the one process that writes."""
        self.read_new()
        for path, size in ((self.path, 4 * self.dim), (self.keys_path, _ENTRY.itemsize)):
            if path.exists() and path.stat().st_size > self.count * size:
                os.truncate(path, self.count * size)

    def append(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows, float32 (B, d), with a key each; for the one process that writes."""
        entries = np.empty(len(keys), _ENTRY)
        for entry, key, row in zip(entries, keys, rows, strict=True):
            entry["key"], entry["checksum"] = np.void(key), _checksum(key, row)
        _append(self.path, rows.reshape(len(keys), self.dim))
        _append(self.keys_path, entries.view(np.uint8))
        self.rows.update(zip(keys, range(self.count, self.count + len(keys)), strict=True))
        self.count += len(keys)

    def mapped(self) -> np.ndarray:
        """All rows, float32 (M, d), mapped from the file."""
        if not self.count:
            return np.empty((0, self.dim), dtype=np.float32)
        return np.memmap(self.path, "<f4", "r", shape=(self.count, self.dim))


class FeatureFolder:
    """The feature files of one embedder, one for each view.

    Any number of processes can read; the one that holds the lock writes. The lock is the operating system's,
    and goes with the process that holds it.

    Args:
        folder: made when the first row is written.
        views: names of the views.
        dim: d.
        description: JSON-able values written beside the files, for people.
    """

    def __init__(self, folder: Path, views: Sequence[str], dim: int, description: dict[str, Any]) -> None:
        self.folder, self.description = folder, description
        self.lock = FileLock(folder / "lock")
        with self._explained():
            self.files = {view: FeatureFile(folder / f"{view}.f32", dim) for view in views}

    def complete(self, key: bytes) -> bool:
        """Whether every view has a row of this key."""
        return all(key in file for file in self.files.values())

    def start_writing(self) -> None:
        """Become the process that writes, once no other one does, and take notice of what others wrote.

        Warns:
            LabelmendWarning: If another process writes, for which this one waits.
        """
        if self.lock.is_locked:
            return
        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self.lock.acquire(timeout=0)
            except Timeout:
                warnings.warn(
                    f"another process is embedding images into {self.folder}; waiting until it is done",
                    LabelmendWarning,
                    stacklevel=3,
                )
                self.lock.acquire()
            write_json(self.folder / "about.json", self.description)
            for file in self.files.values():
                file.cut_torn_tail()

    def append(self, view: str, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows, float32 (B, d), of a view, with a key each."""
        with self._explained():
            self.files[view].append(keys, rows)

    def close(self) -> None:
        """Let another process write."""
        self.lock.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WriteError(
                f"{self.folder}: features cannot be kept here ({reason(error)}); "
                "make room, or choose another folder with --out"
            ) from error
