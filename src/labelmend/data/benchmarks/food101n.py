"""Food-101N: 310,000 images of 101 dishes found by name; tested on Food-101's clean test set."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from labelmend.data.benchmarks.base import FolderBenchmark, missing_files
from labelmend.data.benchmarks.lists import read_lines
from labelmend.data.listing import Listing
from labelmend.errors import DataError

_NOISY = ("Food-101N_release", "")
_CLEAN = ("food-101", "Food-101", "../food-101", "../Food-101")
_VERIFIED = ("meta/verified_train.tsv", "meta/verified_val.tsv")


class Food101N(FolderBenchmark):
    """Food-101N (Lee et al., CVPR 2018).

    ``train`` is read from ``meta/imagelist.tsv`` (after its header line); ``test`` from Food-101's
    ``meta/test.txt`` in a folder ``food-101`` in or beside it.
    """

    name = "food101n"
    title = "Food-101N"
    home = "https://kuanghuei.github.io/Food-101N/ (test set: https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/)"
    num_classes = 101
    official_counts: ClassVar[dict[str, int]] = {"train": 310_009, "test": 25_250}
    noise = "labels are search terms; commonly put at about 20 % wrong"
    places = ("food101n", "Food-101N", "food-101N", "food-101n")
    expected = "Food-101N_release/meta/imagelist.tsv"

    def recognises(self, folder: Path) -> bool:
        """Whether the list of training images is there."""
        return self._place(folder, _NOISY, "meta/imagelist.tsv") is not None

    @staticmethod
    def _place(folder: Path, places: tuple[str, ...], file: str) -> Path | None:
        return next((folder / place for place in places if (folder / place / file).is_file()), None)

    def _class_names(self, folder: Path) -> list[str]:
        """The classes of ``meta/classes.txt``, after its header line.

        Raises:
            DataError: If there are not 101.
        """
        place = self._place(folder, _NOISY, "meta/classes.txt")
        if place is None:
            raise DataError(f"file meta/classes.txt of Food-101N is missing in {folder}")
        file = place / "meta/classes.txt"
        names = [line.strip() for line in read_lines(file)]
        if names[:1] == ["class_name"]:
            names = names[1:]
        if len(names) != self.num_classes:
            raise DataError(
                f"{file} names {len(names)} classes, expected {self.num_classes} after its header line"
            )
        return names

    def _files(self, folder: Path, split: str) -> list[tuple[str, Path]]:
        """Pairs (class/name as listed, file) of a split.

        Raises:
            DataError: If its list is missing, or a line names an unknown class.
        """
        classes = set(self._class_names(folder))
        list_name = "meta/imagelist.tsv" if split == "train" else "meta/test.txt"
        places = _NOISY if split == "train" else _CLEAN
        place = self._place(folder, places, list_name)
        if place is None:
            owner = "Food-101N" if split == "train" else "Food-101 (folder food-101)"
            raise DataError(f"file {list_name} of {owner} is missing in {folder}")
        keys = [line.strip() for line in read_lines(place / list_name)]
        if keys[:1] == ["class_name/key"]:
            keys = keys[1:]
        for number, key in enumerate(keys, start=1):
            if key.partition("/")[0] not in classes:
                raise DataError(f"{place / list_name}, entry {number}: {key!r} names no class of classes.txt")
        suffix = "" if split == "train" else ".jpg"
        return [(key, place / "images" / f"{key}{suffix}") for key in keys]

    def problems(self, folder: Path, split: str) -> list[str]:
        """Lists and image files of the split that are missing."""
        try:
            files = self._files(folder, split)
        except DataError as error:
            return [str(error)]
        return missing_files((file for _, file in files), "image files") if files else ["the list is empty"]

    def read(self, folder: Path, split: str) -> Listing:
        """List a split; the test labels are true ones too."""
        files = self._files(folder, split)
        labels = [key.partition("/")[0] for key, _ in files]
        return Listing(
            name=self.name,
            ids=[key for key, _ in files],
            paths=[key for key, _ in files],
            items=[file for _, file in files],
            labels=list(labels),
            class_names=self._class_names(folder),
            true_labels=None if split == "train" else list(labels),
        )

    def noise_rate(self, folder: Path) -> float | None:
        """Share of wrong labels among the images that people have verified."""
        flags = []
        for name in _VERIFIED:
            place = self._place(folder, _NOISY, name)
            lines = read_lines(place / name) if place is not None else []
            flags += [line.split("\t")[-1].strip() for line in lines if not line.startswith("class_name")]
        return flags.count("0") / len(flags) if flags else None
