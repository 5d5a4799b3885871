"""CIFAR-10H: about 51 human labels for each CIFAR-10 test image, as soft labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from labelmend.data.benchmarks.base import FolderBenchmark
from labelmend.data.benchmarks.cifar10 import Cifar10
from labelmend.data.labels import encode_labels
from labelmend.data.listing import Listing
from labelmend.data.numpy_files import read_npy
from labelmend.errors import DataError

_FILES = ("cifar10h-probs.npy", "cifar10h-counts.npy")


def load_soft_labels(path: str | Path, rows: int = 10_000) -> np.ndarray:
    """Soft labels of CIFAR-10H.

    Args:
        path: ``cifar10h-probs.npy`` or ``cifar10h-counts.npy``.
        rows: number of images expected.

    Returns:
        float64 array of shape (rows, 10); each row sums to 1. In the order of the CIFAR-10 test set.

    Raises:
        DataError: If the shape is another, or a row is neither counts nor probabilities.
    """
    path = Path(path)
    values = read_npy(path)
    if values.shape != (rows, 10):
        raise DataError(f"{path}: has shape {values.shape}, expected ({rows}, 10)")
    if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all() or (values < 0).any():
        raise DataError(f"{path}: holds values that are neither counts nor probabilities")
    totals = values.sum(axis=1, keepdims=True, dtype=np.float64)
    if (totals == 0).any():
        raise DataError(f"{path}, row {int(np.argmin(totals)) + 1}: no label at all")
    whole = np.array_equal(values, np.rint(values)) and bool((totals > 1).any())
    if not whole and np.abs(totals - 1).max() > 1e-3:
        row = int(np.abs(totals - 1).argmax())
        raise DataError(f"{path}, row {row + 1}: probabilities sum to {totals[row, 0]:.4g}, expected 1")
    shares: np.ndarray = values / totals
    return shares


class Cifar10H(FolderBenchmark):
    """CIFAR-10H (Peterson et al., ICCV 2019): CIFAR-10's test images, most frequent human label."""

    name = "cifar10h"
    title = "CIFAR-10H"
    home = "https://github.com/jcpeterson/cifar-10h"
    num_classes = 10
    splits = ("test",)
    official_counts: ClassVar[dict[str, int]] = {"test": 10_000}
    noise = "human uncertainty: about 51 judgements of each image"
    places = ("cifar10h", "cifar-10h", "cifar-10h/data", "CIFAR-10H")
    expected = " or ".join(_FILES)

    def recognises(self, folder: Path) -> bool:
        """Whether one of the two label files is there."""
        return any((folder / file).is_file() for file in _FILES)

    def _cifar10(self, folder: Path) -> Path:
        """CIFAR-10 in this folder, beside it, or beside its parent."""
        for base in (folder, *list(folder.resolve().parents)[:2]):
            try:
                return Cifar10().find(base)
            except DataError:
                continue
        raise DataError(f"no CIFAR-10 images in {folder} or beside it; put both under one root")

    def problems(self, folder: Path, split: str) -> list[str]:
        """Whether the CIFAR-10 test images are missing."""
        try:
            return Cifar10().problems(self._cifar10(folder), split)
        except DataError as error:
            return [str(error)]

    def read(self, folder: Path, split: str) -> Listing:
        """CIFAR-10's test images; given labels are the most frequent human ones (ties: the first class).

        Raises:
            DataError: If the labels plainly belong to images in another order.
        """
        listing = Cifar10().read(self._cifar10(folder), split)
        file = next(folder / file for file in _FILES if (folder / file).is_file())
        names = listing.class_names or []
        chosen = load_soft_labels(file, len(listing)).argmax(axis=1)
        agreement = float((chosen == encode_labels(listing.true_labels or [], names, self.name)).mean())
        if agreement < 0.5:
            raise DataError(
                f"{file}: agrees with the CIFAR-10 labels on {agreement:.0%} of the images only; "
                "the images must be in the official order"
            )
        return replace(listing, labels=[names[label] for label in chosen])

    def noise_rate(self, folder: Path) -> float | None:
        """Share of images whose most frequent human label is not the true one."""
        listing = self.read(folder, "test")
        pairs = zip(listing.labels or [], listing.true_labels or [], strict=True)
        return float(np.mean([given != true for given, true in pairs]))
