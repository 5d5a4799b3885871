"""Features of images that a frozen backbone has embedded: the same face as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class CachedFeatures:
    """N images as features of V stored views each: one view, or the image and its mirror image.

    Attributes:
        views: V float32 arrays of shape (M_v, d), in memory or mapped from a file; images that are equal
            can share a row.
        rows: int64 (N, V), where the features of each image stand in each of the arrays.
    """

    views: Sequence[np.ndarray]
    rows: np.ndarray

    @property
    def in_memory(self) -> bool:
        """Whether fetching reads no file."""
        return not any(isinstance(view, np.memmap) for view in self.views)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, V, d)."""
        return len(self.rows), len(self.views), self.views[0].shape[1]

    def gather(self, index: Tensor) -> Tensor:
        """Features of the images at ``index`` (int64, shape (B,)) as float32 of shape (B, V, d)."""
        _, views, dim = self.shape
        found = np.empty((len(index), views, dim), dtype=np.float32)
        for number, (view, rows) in enumerate(zip(self.views, self.rows[index.cpu().numpy()].T, strict=True)):
            found[:, number] = view[rows]
        return torch.from_numpy(found)
