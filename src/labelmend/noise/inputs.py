"""Checks that every noise model makes of its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelmend.config import require
from labelmend.errors import DataError, SettingsError

MAX_SEED = 2**32 - 1
"""The largest that NumPy takes."""


def require_option(condition: bool, name: str, value: Any, expected: str) -> None:
    """Raise a SettingsError that names an option of a noise specification unless the condition holds."""
    if not condition:
        raise SettingsError(f"--noise: {name}= is {value!r}, but must be {expected}")


def check_labels(true: np.ndarray, num_classes: int) -> np.ndarray:
    """True labels as int64 (N,), all in [0, C).

    Raises:
        DataError: If there are none, or one is out of range.
    """
    labels = np.asarray(true)
    if labels.ndim != 1 or len(labels) == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"true labels: found shape {labels.shape} of {labels.dtype}, but must be class indices (N,)"
        )
    labels = labels.astype(np.int64)
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"true labels: row {row} is {labels[row]}, but with {num_classes} classes must be below that"
        )
    return labels


def check_rate(rate: float) -> float:
    """The noise rate as a float.

    Raises:
        SettingsError: If it is not in [0, 1].
    """
    require(0 <= rate <= 1, "rate", rate, "in [0, 1]")
    return float(rate)


def check_seed(seed: int) -> int:
    """A seed that NumPy takes.

    Raises:
        SettingsError: If it is not in [0, 2**32).
    """
    require(0 <= seed <= MAX_SEED, "seed", seed, f"from 0 to {MAX_SEED}")
    return seed


def check_pixels(pixels: np.ndarray, num_samples: int) -> np.ndarray:
    """Images as uint8 (N, height, width, channels).

    Raises:
        DataError: If the array has another shape or type.
    """
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or len(pixels) != num_samples:
        raise DataError(
            f"images: found {pixels.dtype} of shape {pixels.shape}, but noise on {num_samples} labels needs "
            f"uint8 of shape ({num_samples}, height, width, channels)"
        )
    return pixels
