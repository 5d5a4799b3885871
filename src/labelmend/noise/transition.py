"""Class-conditional noise from any transition matrix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from labelmend.data.numpy_files import read_npy
from labelmend.errors import DataError
from labelmend.noise.inputs import check_labels
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import multinomial_labels

NAME = "transition"


def transition(true: np.ndarray, matrix: np.ndarray, seed: int) -> tuple[np.ndarray, NoiseRecord]:
    """Draw each given label from the row of its true label.

    Args:
        true: int64 (N,), values in [0, C).
        matrix: (C, C), ``T[true, given]``: row-stochastic, rows are true classes.
        seed: of the draws.

    Returns:
        The given labels, int64 (N,), and their record; ``nominal_rate`` is the rate that the matrix
        and the class counts imply.

    Raises:
        DataError: If the matrix is not square and row-stochastic or a label has no row.
    """
    rows = check_matrix(matrix)
    labels = check_labels(true, len(rows))
    given = multinomial_labels(labels, rows, seed)
    record = NoiseRecord.of(
        NAME,
        labels,
        given,
        len(rows),
        parameters={"matrix": rows.tolist()},
        seed=seed,
        nominal_rate=float(np.mean(1.0 - np.diag(rows)[labels])),
    )
    return given, record


def check_matrix(matrix: np.ndarray, source: str = "transition matrix") -> np.ndarray:
    """The matrix as float64, its rows summing to 1.

    Args:
        matrix: (C, C), C >= 2.
        source: what errors call it.

    Raises:
        DataError: If it is not square, has an entry outside [0, 1], or a row does not sum to 1.
    """
    rows = np.asarray(matrix, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1] or len(rows) < 2:
        raise DataError(
            f"{source}: found shape {rows.shape}, but T[true, given] must be square, at least 2 x 2"
        )
    outside = np.argwhere(~((rows >= 0) & (rows <= 1)))
    if len(outside):
        i, j = (int(v) for v in outside[0])
        raise DataError(f"{source}: entry [{i}, {j}] is {rows[i, j]:g}, but must be a probability in [0, 1]")
    sums = rows.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > 1e-6)
    if len(off):
        hint = " (the columns do; transpose it)" if np.allclose(rows.sum(axis=0), 1) else ""
        raise DataError(
            f"{source}: row {off[0]} sums to {sums[off[0]]:g}, but rows of T[true, given] sum to 1{hint}"
        )
    # Draws allow 1e-12; rows that are that close stay as they are, and so do labels drawn from them.
    rounded = np.abs(sums - 1) > 1e-12
    return np.where(rounded[:, None], rows / sums[:, None], rows)


def load_matrix(path: Path) -> np.ndarray:
    """Read ``T[true, given]`` from ``.npy``, ``.csv`` (numbers only, no header) or ``.json`` (list of rows).

    Returns:
        float64 (C, C), row-stochastic.

    Raises:
        DataError: If the file is missing, unreadable, or not a row-stochastic square matrix.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a .npy, .csv or .json file with T[true, given]")
    try:
        if path.suffix == ".npy":
            matrix = read_npy(path)
        elif path.suffix == ".csv":
            matrix = np.loadtxt(path, delimiter=",", ndmin=2)
        elif path.suffix == ".json":
            matrix = np.array(json.loads(path.read_text()), dtype=np.float64)
        else:
            raise DataError(
                f"{path}: a transition matrix is read from .npy, .csv or .json, not {path.suffix!r}"
            )
    except (ValueError, TypeError, OSError, EOFError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as a matrix of numbers ({error})") from None
    if matrix.dtype.kind not in "fiu":
        raise DataError(f"{path}: cannot be read as a matrix of numbers (it holds {matrix.dtype})")
    return check_matrix(matrix, str(path))
