"""Clothing1M: a million shop images in 14 classes, with labels taken from their surrounding text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from labelmend.data.benchmarks.base import FolderBenchmark, missing_files
from labelmend.data.benchmarks.lists import read_lines, read_pairs
from labelmend.data.listing import Listing
from labelmend.errors import DataError

CLASS_NAMES = [
    "T-shirt",
    "Shirt",
    "Knitwear",
    "Chiffon",
    "Sweater",
    "Hoodie",
    "Windbreaker",
    "Jacket",
    "Down coat",
    "Suit",
    "Shawl",
    "Dress",
    "Vest",
    "Underwear",
]
_ANNOTATIONS = ("annotations", "annotation", "label", "labels", "")
_KEY_LISTS = {
    "train": "noisy_train_key_list.txt",
    "clean_train": "clean_train_key_list.txt",
    "val": "clean_val_key_list.txt",
    "test": "clean_test_key_list.txt",
}
_FLAT_LISTS = {
    "train": "noisy_train.txt",
    "clean_train": "clean_train.txt",
    "val": "clean_val.txt",
    "test": "clean_test.txt",
}
_NOISY, _CLEAN = "noisy_label_kv.txt", "clean_label_kv.txt"
_PREFIX = "images/"


def _annotation_folder(folder: Path) -> Path | None:
    """Folder of the label files: any of the names in use, or the data set's own folder."""
    names = (*_KEY_LISTS.values(), *_FLAT_LISTS.values(), _NOISY, _CLEAN)
    for place in _ANNOTATIONS:
        if any((folder / place / name).is_file() for name in names):
            return folder / place
    return None


def _labels_by_key(path: Path) -> dict[str, int]:
    return {key.removeprefix(_PREFIX): label for key, label in read_pairs(path, len(CLASS_NAMES))}


class Clothing1M(FolderBenchmark):
    """Clothing1M (Xiao et al., CVPR 2015).

    Reads the official key lists (``noisy_train_key_list.txt`` with ``noisy_label_kv.txt`` and so on) and
    flat lists (``noisy_train.txt``: "file label"), in ``annotations/``, ``label/`` or the data set's
    folder itself; keys with or without ``images/`` in front; images in ``images/`` or directly in the
    folder. Splits: ``train`` (noisy), ``clean_train``, ``val`` and ``test`` (clean).
    """

    name = "clothing1m"
    title = "Clothing1M"
    home = "https://github.com/Cysu/noisy_label"
    num_classes = 14
    splits = ("train", "clean_train", "val", "test")
    official_counts: ClassVar[dict[str, int]] = {
        "train": 1_000_000,
        "clean_train": 47_570,
        "val": 14_313,
        "test": 10_526,
    }
    noise = "about 38.5 % of the training labels (from surrounding text) are wrong"
    places = ("clothing1m", "Clothing1M", "clothing1M")
    expected = "noisy_train_key_list.txt or noisy_train.txt, in it or in annotations"

    def recognises(self, folder: Path) -> bool:
        """Whether any of the label files is there."""
        return _annotation_folder(folder) is not None

    def _pairs(self, folder: Path, split: str) -> list[tuple[str, int]]:
        """Pairs (key without prefix, label) of a split.

        Raises:
            DataError: If a list or label file is missing, or a key has no label.
        """
        annotations = _annotation_folder(folder) or folder
        keys, flat = annotations / _KEY_LISTS[split], annotations / _FLAT_LISTS[split]
        if not keys.is_file():
            if not flat.is_file():
                raise DataError(f"neither {keys} nor {flat.name} is there")
            return [(key.removeprefix(_PREFIX), label) for key, label in read_pairs(flat, self.num_classes)]
        kv = annotations / (_NOISY if split == "train" else _CLEAN)
        if not kv.is_file():
            raise DataError(f"file {kv} is missing")
        labels = _labels_by_key(kv)
        names = [line.strip().removeprefix(_PREFIX) for line in read_lines(keys)]
        without = [name for name in names if name not in labels]
        if without:
            raise DataError(
                f"{len(without):,} keys of {keys} have no label in {kv.name}, the first is {without[0]}"
            )
        return [(name, labels[name]) for name in names]

    @staticmethod
    def _images(folder: Path) -> Path:
        return folder / "images" if (folder / "images").is_dir() else folder

    def problems(self, folder: Path, split: str) -> list[str]:
        """Lists, labels and image files of the split that are missing."""
        try:
            pairs = self._pairs(folder, split)
        except DataError as error:
            return [str(error)]
        if not pairs:
            return ["the list is empty"]
        images = self._images(folder)
        return missing_files((images / key for key, _ in pairs), "image files")

    def read(self, folder: Path, split: str) -> Listing:
        """List a split; labels of the clean splits are true ones too."""
        pairs = self._pairs(folder, split)
        images = self._images(folder)
        prefix = f"{_PREFIX}" if images != folder else ""
        labels = [CLASS_NAMES[label] for _, label in pairs]
        paths = [prefix + key for key, _ in pairs]
        return Listing(
            name=self.name,
            ids=[_PREFIX + key for key, _ in pairs],
            paths=paths,
            items=[images / key for key, _ in pairs],
            labels=list(labels),
            class_names=CLASS_NAMES,
            true_labels=None if split == "train" else list(labels),
        )

    def noise_rate(self, folder: Path) -> float | None:
        """Share of wrong noisy labels among the images that have a clean label too."""
        annotations = _annotation_folder(folder)
        if annotations is None or not all((annotations / name).is_file() for name in (_NOISY, _CLEAN)):
            return None
        noisy, clean = _labels_by_key(annotations / _NOISY), _labels_by_key(annotations / _CLEAN)
        both = noisy.keys() & clean.keys()
        return sum(noisy[key] != clean[key] for key in both) / len(both) if both else None
