"""The built-in data set: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels."""

from __future__ import annotations

import numpy as np
import torch

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


def list_digits(split: str | None) -> Listing:
    """The digits of one split: 1,297 to train (the default), 500 to test; the split never changes.

    The 17 grey levels are spread over 0..255. Labels are true. Ids are positions in scikit-learn's
    array.
    """
    from sklearn.datasets import load_digits

    split = choose_split(("train", "test"), split, "digits")
    data = load_digits()
    labels = np.asarray(data.target, dtype=np.int64)
    test = np.isin(np.arange(len(labels)), _test_rows(labels))
    rows = np.flatnonzero(test if split == "test" else ~test)
    pixels = np.rint(data.images[rows] * (255 / 16)).astype(np.uint8)[..., None]
    names = [str(label) for label in labels[rows]]
    return Listing(
        name="digits",
        ids=[str(row) for row in rows],
        paths=[""] * len(rows),
        items=list(pixels),
        labels=list(names),
        class_names=[str(digit) for digit in range(10)],
        true_labels=list(names),
        images=MemoryImages(torch.from_numpy(pixels)),
        mirror_safe=False,
    )
