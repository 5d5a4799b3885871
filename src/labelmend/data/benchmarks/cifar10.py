"""CIFAR-10: 50,000 + 10,000 images of 32 x 32 pixels in 10 classes."""

from __future__ import annotations

from typing import ClassVar

from labelmend.data.benchmarks.cifar import Cifar


class Cifar10(Cifar):
    """CIFAR-10 (Krizhevsky, 2009)."""

    name = "cifar10"
    title = "CIFAR-10"
    num_classes = 10
    places = ("cifar10", "cifar-10", "CIFAR-10", "CIFAR10")
    expected = "cifar-10-batches-py, train.parquet with column label, or train with 10 class folders"
    batch_folder = "cifar-10-batches-py"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    batch_label = "labels"
    meta = ("batches.meta", "label_names")
    label_columns = ("label",)
