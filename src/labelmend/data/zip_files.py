"""Zip archives, with their size looked at before they are unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelmend.errors import DataError
from labelmend.memory import fits_in_memory, in_words

SMALL = 2**28
"""Bytes that any archive may unpack to."""
LARGEST_RATIO = 100
"""How many times its own size a larger archive may unpack to; images of one colour come to some 20."""


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose members fit into memory and are no zip bomb.

    Raises:
        DataError: If they do not, or are one.
    """
    with zipfile.ZipFile(path) as archive:
        packed, unpacked = path.stat().st_size, sum(member.file_size for member in archive.infolist())
        if unpacked > max(SMALL, LARGEST_RATIO * packed):
            raise DataError(
                f"{path}: {in_words(packed)} that unpack to {in_words(unpacked)}; it is refused as a zip bomb"
                " (if it is what it should be, save its arrays without compression)"
            )
        if not fits_in_memory(unpacked):
            raise DataError(
                f"{path}: unpacks to {in_words(unpacked)}, more than this machine's memory; "
                "give a folder of images or a table of files instead, which are read as they are needed"
            )
        yield archive
