"""Data in: any source of images and given labels becomes an ImageSet."""

from labelmend.data.benchmarks import is_named
from labelmend.data.image_set import Images, ImageSet, MemoryImages, Skipped, Subset
from labelmend.data.sources import (
    UnlabelledImages,
    load,
    load_own_test,
    load_test,
    load_unlabelled,
    splits_of,
)

__all__ = [
    "ImageSet",
    "Images",
    "MemoryImages",
    "Skipped",
    "Subset",
    "UnlabelledImages",
    "is_named",
    "load",
    "load_own_test",
    "load_test",
    "load_unlabelled",
    "splits_of",
]
