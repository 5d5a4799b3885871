"""What a table of verdicts needs to show images: their pictures and features, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from labelmend.errors import DataError


class Looks(Protocol):
    """Pictures and features of images by id."""

    def thumbnail(self, image_id: str, side: int) -> bytes:
        """A PNG file of at most ``side`` pixels.

        Raises:
            LabelmendError: If there is none; says why.
        """
        ...

    def features(self, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Ids of the M images whose features can be had, in the order given, and the features (M, d).

        Raises:
            LabelmendError: If there are none; says why.
        """
        ...


@dataclass(frozen=True)
class KnownFeatures:
    """Features that are at hand, and no pictures.

    Attributes:
        rows: row of each id.
        array: float32 (N, d).
    """

    rows: Mapping[str, int]
    array: np.ndarray

    def thumbnail(self, image_id: str, side: int) -> bytes:
        """There is none."""
        raise DataError("there are no pictures of tracked samples")

    def features(self, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """As of ``Looks``."""
        return list(ids), self.array[[self.rows[image_id] for image_id in ids]]
