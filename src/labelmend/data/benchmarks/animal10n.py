"""ANIMAL-10N: 55,000 images of five pairs of confusable animals, labelled by people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from labelmend.data.benchmarks.base import FolderBenchmark
from labelmend.data.class_folders import image_files
from labelmend.data.listing import Listing

CLASS_NAMES = [
    "cat",
    "lynx",
    "wolf",
    "coyote",
    "cheetah",
    "jaguar",
    "chimpanzee",
    "orangutan",
    "hamster",
    "guinea pig",
]
_FOLDERS = {"train": "training", "test": "testing"}
_NAME = re.compile(r"([0-9])_.+")


class Animal10N(FolderBenchmark):
    """ANIMAL-10N (Song et al., ICML 2019): files ``training/{label}_{id}.jpg``, sorted by name."""

    name = "animal10n"
    title = "ANIMAL-10N"
    home = "https://dm.kaist.ac.kr/datasets/animal-10n/"
    num_classes = 10
    official_counts: ClassVar[dict[str, int]] = {"train": 50_000, "test": 5_000}
    noise = "about 8 % of the training labels are wrong, by the estimate of its authors"
    places = (
        "animal10n",
        "Animal-10N",
        "animal-10n",
        "ANIMAL-10N",
        "raw_image_ver",
    )
    expected = "folders training and testing with files such as 0_123.jpg"

    def recognises(self, folder: Path) -> bool:
        """Whether a training or testing folder holds files named by a label."""
        for name in _FOLDERS.values():
            place = folder / name
            if place.is_dir() and any(_NAME.fullmatch(file.name) for file in place.iterdir()):
                return True
        return False

    def problems(self, folder: Path, split: str) -> list[str]:
        """A missing folder, or files not named by a label."""
        place = folder / _FOLDERS[split]
        files = image_files(place) if place.is_dir() else []
        if not files:
            return [f"folder {place} is missing or holds no image"]
        odd = [file for file in files if not _NAME.fullmatch(file.name)]
        if odd:
            return [f"{len(odd):,} files are not named LABEL_ID.jpg, the first is {odd[0]}"]
        present = {file.name[0] for file in files}
        absent = [CLASS_NAMES[c] for c in range(self.num_classes) if str(c) not in present]
        return [f"{place} holds no image of {', '.join(absent)}"] if absent else []

    def read(self, folder: Path, split: str) -> Listing:
        """List a split; the test labels are true ones too."""
        files = image_files(folder / _FOLDERS[split])
        labels = [CLASS_NAMES[int(file.name[0])] for file in files]
        paths = [file.relative_to(folder).as_posix() for file in files]
        return Listing(
            name=self.name,
            ids=list(paths),
            paths=paths,
            items=list(files),
            labels=list(labels),
            class_names=CLASS_NAMES,
            true_labels=None if split == "train" else list(labels),
        )
