"""NumPy files, without what is pickled in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from labelmend.errors import DataError


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file.

    Raises:
        DataError: If it is missing, damaged, or holds pickled objects (strings must be of a NumPy
            string type).
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file of plain arrays ({error})") from error


def read_npy(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file; a DataError if it is missing, damaged or pickled."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npy file of a plain array ({error})") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: not an .npy file of one array")
    return array
