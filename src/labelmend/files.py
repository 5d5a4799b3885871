"""Whole files or nothing: written under a temporary name, made durable, then renamed."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from labelmend.errors import WriteError

_PREFIX, _SUFFIX = ".labelmend-", ".tmp"
_numbers = count()

# What file systems say that cannot make a folder durable; they do it by themselves, or not at all.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def _temporary(path: Path) -> Path:
    """A name beside ``path`` of its own; short, because ``path`` may be as long as names can be."""
    return path.with_name(f"{_PREFIX}{os.getpid()}-{next(_numbers)}{_SUFFIX}")


def _synchronise(path: Path) -> None:
    """Wait until a file is on the disk and not just on its way there."""
    # Windows only synchronises what is open for writing.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def synchronise_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; a rename can be lost until then."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """Why the system refused, without the path."""
    return error.strerror or str(error)


@contextmanager
def replacing(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without an error.

    The file is on the disk before it is renamed, and its name is before this returns: after a power cut there
    is either the old file or the new one, whole.

    Args:
        path: the file to write.
        previous: a name that the old file is kept under, if there is one.

    Raises:
        WriteError: If ``path`` is there and no regular file, or the system refuses; the old file is as it
            was, or has its name ``previous``.
    """
    temporary = _temporary(path)
    try:
        _check_replaceable(path)
        yield temporary
        _synchronise(temporary)
        if previous is not None and path.is_file():
            os.replace(path, previous)
        os.replace(temporary, path)
        synchronise_folder(path.parent)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Make sure that a file can be written, before any work is done for it.

    Raises:
        WriteError: If it cannot.
    """
    try:
        _check_replaceable(path)
        temporary = _temporary(path)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {reason(error)}") from error


def _check_replaceable(path: Path) -> None:
    """Raise an OSError for what a rename must not take the place of, and for a name that is too long."""
    # A rename would take the place of a device or pipe too, wherever the user may write.
    if path.exists() and not path.is_file():
        raise OSError("it is a folder, pipe or device, which is not replaced; give another name")


def is_leftover(path: Path) -> bool:
    """Whether a file is a temporary one, which a process that was killed leaves."""
    return path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that were killed; only while no other process writes there."""
    for path in filter(is_leftover, folder.iterdir()):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str, newline: str = "\n") -> None:
    """Write a UTF-8 text file, with Unix line ends by default; what has no UTF-8 form becomes an escape."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline=newline)


class _Rows:
    """Takes the rows of a CSV writer, which end in both characters, and ends them in a line feed.

    A writer quotes only those line ends in cells that its own line ends consist of.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, row: str) -> None:
        self.file.write(row.removesuffix("\r\n") + "\n")


@contextmanager
def csv_rows(path: Path) -> Iterator[Any]:
    r"""A new UTF-8 file for ``csv.writer(file)`` or ``frame.to_csv(file, lineterminator="\r\n")``.

    Any line end within a cell is quoted, so that every reader finds the same rows.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Rows(file)


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file, without waiting for the disk.

    Raises:
        WriteError: If the system refuses.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line + "\n")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {reason(error)}") from error


def json_text(value: Any) -> str:
    """A JSON document, indented, keys in the order given, letters as they are.

    File names that are no UTF-8 have surrogates in Python; as escapes they come back from any JSON reader.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file; see ``json_text``."""
    write_text(path, json_text(value))
