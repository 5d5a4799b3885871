"""Digits, the built-in data set: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from labelmend.data.benchmarks.base import Benchmark, Verification
from labelmend.data.image_set import MemoryImages
from labelmend.data.listing import Listing
from labelmend.data.splits import choose_split

_TEST_IMAGES = 500


def _test_rows(labels: np.ndarray) -> np.ndarray:
    """500 test rows, each class in its share, evenly spaced among the rows of the class."""
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * _TEST_IMAGES / len(labels)
    quotas = np.floor(shares).astype(np.int64)
    # Largest remainders take what rounding down left over.
    quotas[np.argsort(quotas - shares, kind="stable")[: _TEST_IMAGES - quotas.sum()]] += 1
    chosen = []
    for label, quota in zip(classes, quotas, strict=True):
        rows = np.flatnonzero(labels == label)
        chosen.append(rows[(np.arange(quota) * len(rows)) // quota])
    return np.sort(np.concatenate(chosen))


class Digits(Benchmark):
    """Handwritten digits (Alpaydin and Kaynak, 1998) as scikit-learn holds them; labels are true.

    1,297 to train on, 500 to test; the split never changes. The 17 grey levels are spread over 0..255. Ids
    are positions in scikit-learn's array.
    """

    name = "digits"
    title = "digits"
    home = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
    num_classes = 10
    splits = ("train", "test")
    official_counts: ClassVar[dict[str, int]] = {"train": 1_297, "test": 500}
    noise = ""

    def listing(self, root: str | Path | None, split: str | None) -> Listing:
        """List one split, ``train`` by default; there is nothing to look for below ``root``."""
        from sklearn.datasets import load_digits

        split = choose_split(self.splits, split, self.name)
        data = load_digits()
        labels = np.asarray(data.target, dtype=np.int64)
        test = np.isin(np.arange(len(labels)), _test_rows(labels))
        rows = np.flatnonzero(test if split == "test" else ~test)
        pixels = np.rint(data.images[rows] * (255 / 16)).astype(np.uint8)[..., None]
        names = [str(label) for label in labels[rows]]
        return Listing(
            name=self.name,
            ids=[str(row) for row in rows],
            paths=[""] * len(rows),
            labels=list(names),
            class_names=[str(digit) for digit in range(self.num_classes)],
            true_labels=list(names),
            images=MemoryImages(torch.from_numpy(pixels)),
            mirror_safe=False,
        )

    def verify(self, root: str | Path | None) -> Verification:
        """Both splits, always complete, without noise."""
        listings = {split: self.listing(root, split) for split in self.splits}
        return Verification(None, listings, noise_rate=0.0)
