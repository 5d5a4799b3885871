"""NumPy files of numbers and strings, read without a pickle and without trust in what their headers claim."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from labelmend.data.zip_files import open_zip
from labelmend.errors import DataError
from labelmend.memory import fits_in_memory, in_words

KINDS = "biufSU"
"""Kinds of dtype that are read: booleans, whole numbers, floats and strings."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file.

    Raises:
        DataError: If it is missing or damaged, holds anything but arrays of numbers and strings, or is a
            zip bomb.
    """
    _require_file(path)
    try:
        with open_zip(path) as archive:
            return {
                member.filename.removesuffix(".npy"): _read_member(archive, member, path)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
    except DataError:
        raise
    except Exception as error:  # a damaged or hostile archive can raise anything
        raise _unreadable(path, "an .npz file of plain arrays", error) from error


def read_npy(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file; a DataError if it is missing, damaged or pickled."""
    _require_file(path)
    try:
        with path.open("rb") as stream:
            return _read_array(stream, path.stat().st_size, str(path))
    except DataError:
        raise
    except Exception as error:  # as above
        raise _unreadable(path, "an .npy file of a plain array", error) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")


def _unreadable(path: Path, wanted: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: not readable as {wanted} ({reason})")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    with archive.open(member) as stream:
        return _read_array(stream, member.file_size, f"{path}, array {member.filename!r}")


def _read_array(stream: IO[bytes], size: int, name: str) -> np.ndarray:
    """One array from a stream of ``size`` bytes.

    The header is compared with ``size`` first: NumPy takes the memory that a header asks for before it
    looks whether the numbers are there.
    """
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise DataError(f"{name}: version {version} of the format, which only arrays with named fields need")
    shape, _, dtype = read_header(stream)
    if dtype.kind not in KINDS or dtype.fields is not None or dtype.subdtype is not None:
        raise DataError(f"{name}: of type {dtype}, but only arrays of numbers or strings are read")
    # Strings of no length take no bytes, however many the header claims.
    needed = math.prod(shape) * max(dtype.itemsize, 1)
    if min(shape, default=0) < 0 or needed > size:
        raise DataError(f"{name}: its header claims shape {shape} of {dtype}, but the file is shorter")
    if not fits_in_memory(needed):
        raise DataError(f"{name}: takes {in_words(needed)}, more than this machine's memory")
    stream.seek(0, os.SEEK_SET)
    array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array
