"""Mini-WebVision: the first 50 classes of WebVision 1.0, Google part, and ImageNet's images of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from labelmend.data.benchmarks.base import FolderBenchmark, missing_files
from labelmend.data.benchmarks.lists import read_lines, read_pairs
from labelmend.data.class_folders import image_files, subfolders
from labelmend.data.listing import Listing
from labelmend.errors import DataError

_TRAIN, _VAL, _SYNSETS = "info/train_filelist_google.txt", "info/val_filelist.txt", "info/synsets.txt"
_IMAGENET = ("imagenet/val", "../imagenet/val")


class WebVision(FolderBenchmark):
    """Mini-WebVision (Li et al., 2017).

    Splits: ``train`` (noisy), ``val`` (WebVision's) and ``imagenet`` (ImageNet's validation images of
    the same classes, in folders named by class index or by WordNet id).
    """

    name = "webvision"
    title = "mini-WebVision (first 50 classes, Google part)"
    home = "https://data.vision.ee.ethz.ch/cvl/webvision/dataset2017.html"
    num_classes = 50
    splits = ("train", "val", "imagenet")
    official_counts: ClassVar[dict[str, int]] = {"train": 65_944, "val": 2_500, "imagenet": 2_500}
    noise = "labels are search terms; commonly put at about 20 % wrong"
    places = ("webvision", "WebVision", "webvision1.0")
    expected = _TRAIN

    def recognises(self, folder: Path) -> bool:
        """Whether one of the two file lists is there."""
        return (folder / _TRAIN).is_file() or (folder / _VAL).is_file()

    def _synsets(self, folder: Path) -> list[tuple[str, str]]:
        """(WordNet id, class name) of the 50 classes; empty without ``info/synsets.txt``."""
        file = folder / _SYNSETS
        if not file.is_file():
            return []
        pairs = []
        for line in read_lines(file)[: self.num_classes]:
            identity, _, names = line.partition(" ")
            pairs.append((identity, names.split(",")[0].strip()))
        return pairs

    def _class_names(self, folder: Path) -> list[str]:
        """Names of the classes; two synsets of one name are told apart by their index."""
        names = [name for _, name in self._synsets(folder)]
        if len(names) < self.num_classes:
            return [str(label) for label in range(self.num_classes)]
        return [f"{n} ({i})" if names.count(n) > 1 else n for i, n in enumerate(names)]

    def _files(self, folder: Path, split: str) -> list[tuple[str, Path, int]]:
        """Triples (path as written, file, label) of a split.

        Raises:
            DataError: If the list or the folder is missing.
        """
        if split == "imagenet":
            return self._imagenet(folder)
        file = folder / (_TRAIN if split == "train" else _VAL)
        if not file.is_file():
            raise DataError(f"file {file} is missing")
        pairs = [(name, label) for name, label in read_pairs(file) if label < self.num_classes]
        images = folder
        if split == "val" and (folder / "val_images_256").is_dir():
            images = folder / "val_images_256"
        return [(name, images / name, label) for name, label in pairs]

    def _imagenet(self, folder: Path) -> list[tuple[str, Path, int]]:
        place = next((folder / p for p in _IMAGENET if (folder / p).is_dir()), None)
        if place is None:
            raise DataError(f"folder {folder / _IMAGENET[0]} (ImageNet's validation images) is missing")
        index = {identity: label for label, (identity, _) in enumerate(self._synsets(folder))}
        by_label = {}
        for sub in subfolders(place):
            label = int(sub.name) if sub.name.isdecimal() else index.get(sub.name, -1)
            if 0 <= label < self.num_classes:
                by_label[label] = sub
        absent = [label for label in range(self.num_classes) if label not in by_label]
        if absent:
            raise DataError(
                f"{len(absent)} of the {self.num_classes} class folders are missing in {place}, the first is "
                f"{absent[0]} (folders are named by class index, or by WordNet id beside {_SYNSETS})"
            )
        return [
            (file.relative_to(place).as_posix(), file, label)
            for label in range(self.num_classes)
            for file in image_files(by_label[label])
        ]

    def problems(self, folder: Path, split: str) -> list[str]:
        """Lists and image files of the split that are missing."""
        try:
            files = self._files(folder, split)
        except DataError as error:
            return [str(error)]
        if not files:
            return [f"no image of the first {self.num_classes} classes is listed"]
        return missing_files((file for _, file, _ in files), "image files")

    def read(self, folder: Path, split: str) -> Listing:
        """List a split; labels of ``val`` and ``imagenet`` are true ones too."""
        files = self._files(folder, split)
        names = self._class_names(folder)
        labels = [names[label] for _, _, label in files]
        return Listing(
            name=self.name,
            ids=[path for path, _, _ in files],
            paths=[path for path, _, _ in files],
            items=[file for _, file, _ in files],
            labels=list(labels),
            class_names=names,
            true_labels=None if split == "train" else list(labels),
        )
