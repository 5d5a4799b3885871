"""What every named data set has in common: its facts, where it is looked for, what is checked."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from labelmend.data.listing import Listing
from labelmend.data.splits import choose_split
from labelmend.errors import DataError, LabelmendWarning

DATA_VARIABLE = "LABELMEND_DATA"


@dataclass(frozen=True)
class Verification:
    """What was found of a benchmark.

    Attributes:
        folder: where it was found, or None: it was not, or needs no folder.
        listings: what was listed by split, for the splits without a problem.
        problems: what is missing or wrong, one line each; such a split cannot be loaded.
        notes: what differs from the official release but does not prevent loading.
        noise_rate: measured share of wrong training labels, or None where that is not known.
    """

    folder: Path | None
    listings: dict[str, Listing] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    noise_rate: float | None = None


class Benchmark(ABC):
    """A data set that is loaded by its name.

    Attributes:
        name: the name used on the command line.
        title: its full name.
        home: official home page, where it can be had.
        num_classes: C.
        splits: its splits; the first is read by default.
        official_counts: images by split in the official release.
        noise: what is known of the noise of its training labels, or "".
    """

    name: ClassVar[str]
    title: ClassVar[str]
    home: ClassVar[str]
    num_classes: ClassVar[int]
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    official_counts: ClassVar[dict[str, int]]
    noise: ClassVar[str]

    @abstractmethod
    def listing(self, root: str | Path | None, split: str | None) -> Listing:
        """List one split, ``train`` by default (or the first there is).

        Raises:
            DataError: If there is no such split, or any part of it is missing.
        """

    @abstractmethod
    def verify(self, root: str | Path | None) -> Verification:
        """Check every split; nothing is decoded or downloaded."""


class FolderBenchmark(Benchmark):
    """A data set that lies in a folder. Subclasses say how to recognise, check and list it.

    Attributes:
        places: folders, below the root, where it is looked for; the root itself comes first, then these
            below ``benchmarks``, then these.
        expected: what a folder must hold to be recognised, in words.
    """

    places: ClassVar[tuple[str, ...]]
    expected: ClassVar[str]

    @abstractmethod
    def recognises(self, folder: Path) -> bool:
        """Whether the folder holds at least a part of this data set."""

    @abstractmethod
    def problems(self, folder: Path, split: str) -> list[str]:
        """What is missing of a split, one line each; empty if it can be read."""

    @abstractmethod
    def read(self, folder: Path, split: str) -> Listing:
        """List a split that has no problems."""

    def noise_rate(self, folder: Path) -> float | None:
        """Measured share of wrong training labels, where the folder holds what is needed; else None."""
        return None

    def find(self, root: str | Path | None) -> Path:
        """The folder of the data set at or below ``root`` (by default ``$LABELMEND_DATA``).

        Raises:
            DataError: If it is not there; the message says what was looked for and where to get it.
        """
        base = root if root is not None else os.environ.get(DATA_VARIABLE)
        advice = f"get it from {self.home} and give its folder with --root or ${DATA_VARIABLE}"
        if base is None:
            raise DataError(f"{self.name}: no folder is given; {advice}")
        base = Path(base)
        if not base.is_dir():
            raise DataError(f"{self.name}: {base} is not a folder; {advice}")
        for place in ("", *(f"benchmarks/{place}" for place in self.places), *self.places):
            folder = base / place
            if folder.is_dir() and self.recognises(folder):
                return folder
        raise DataError(f"{self.name}: not found in {base} (looked for {self.expected}); {advice}")

    def listing(self, root: str | Path | None, split: str | None) -> Listing:
        """List one split; see ``Benchmark.listing``.

        Raises:
            DataError: If any part of the split is missing.

        Warns:
            LabelmendWarning: If the split has another number of images than the official one.
        """
        chosen = choose_split(self.splits, split or self.splits[0], self.name)
        folder = self.find(root)
        problems = self.problems(folder, chosen)
        if problems:
            more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
            raise DataError(
                f"{self.name} in {folder}: {problems[0]}{more}; see 'labelmend data {self.name}', "
                f"get what is missing from {self.home}"
            )
        listing = replace(self.read(folder, chosen), name=self.name)
        note = self._count_note(chosen, len(listing))
        if note:
            warnings.warn(f"{self.name} in {folder}: {note}", LabelmendWarning, stacklevel=2)
        return listing

    def _count_note(self, split: str, count: int) -> str:
        official = self.official_counts.get(split)
        if official is None or official == count:
            return ""
        return f"the {split} split has {count:,} images, the official one {official:,}"

    def verify(self, root: str | Path | None) -> Verification:
        """Check every split below the folder that was found; see ``Benchmark.verify``."""
        try:
            folder = self.find(root)
        except DataError as error:
            return Verification(None, problems=[str(error)])
        listings: dict[str, Listing] = {}
        problems: list[str] = []
        notes: list[str] = []
        for split in self.splits:
            try:
                found = self.problems(folder, split)
                if not found:
                    listings[split] = self.read(folder, split)
                    note = self._count_note(split, len(listings[split]))
                    notes += [note] if note else []
            except DataError as error:
                found = [str(error)]
            problems += [f"{split}: {problem}" for problem in found]
        rate = self.noise_rate(folder) if listings else None
        return Verification(folder, listings, problems, notes, rate)


def missing_files(files: Iterable[Path], what: str) -> list[str]:
    """One line on the files that are not there, or none."""
    missing = [file for file in files if not file.is_file()]
    if not missing:
        return []
    return [f"{len(missing):,} {what} missing, the first is {missing[0]}"]
