"""CIFAR-100: 50,000 + 10,000 images of 32 x 32 pixels in 100 (fine) classes."""

from __future__ import annotations

from typing import ClassVar

from labelmend.data.benchmarks.cifar import Cifar


class Cifar100(Cifar):
    """CIFAR-100 with its fine labels (Krizhevsky, 2009)."""

    name = "cifar100"
    title = "CIFAR-100"
    num_classes = 100
    places = ("cifar100", "cifar-100", "CIFAR-100", "CIFAR100")
    expected = "cifar-100-python, train.parquet with column fine_label, or train with 100 class folders"
    batch_folder = "cifar-100-python"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    batch_label = "fine_labels"
    meta = ("meta", "fine_label_names")
    label_columns = ("fine_label", "label")
