"""All that a report is made of, read from the folder of a finished run."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelmend.errors import RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.pictures import RunPictures, open_pictures
from labelmend.runs.run import Run, load_run
from labelmend.text import from_spreadsheet
from labelmend.verdicts.judge import VERDICTS


@dataclass(frozen=True)
class Findings:
    """What a run left behind.

    Attributes:
        run: the finished run.
        pictures: of its training images, or None where they cannot be shown.
        notice: why they cannot, or what of the data has changed since; "" where all is as it was.
        duplicates: rows of each picture that stands under more than one label.
        metrics: one row an epoch.
    """

    run: Run
    pictures: RunPictures | None
    notice: str
    duplicates: list[list[int]]
    metrics: list[dict[str, Any]]

    @property
    def table(self) -> pd.DataFrame:
        """The verdicts, one row an image."""
        return self.run.verdicts.table

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each id."""
        return {image_id: row for row, image_id in enumerate(self.table["id"])}

    def labels(self, column: str) -> np.ndarray:
        """A column of class names as int64 indices into the classes of the run."""
        codes = pd.Categorical(self.table[column], categories=self.run.classes).codes
        return np.asarray(codes, dtype=np.int64)

    @cached_property
    def given(self) -> np.ndarray:
        """int64 (N,), the given labels."""
        return self.labels("given_label")

    @cached_property
    def suggested(self) -> np.ndarray:
        """int64 (N,), the suggested labels; the given ones where nothing is suggested."""
        return self.labels("suggested_label")

    @cached_property
    def verdict(self) -> np.ndarray:
        """int64 (N,), indices into ``VERDICTS``."""
        return np.asarray(pd.Categorical(self.table["verdict"], categories=VERDICTS).codes, dtype=np.int64)

    @property
    def has_votes(self) -> bool:
        """Whether anchors voted in this run."""
        return bool(self.table["votes"].any())

    @property
    def counts(self) -> dict[str, int]:
        """Images of each verdict."""
        return {name: int((self.verdict == code).sum()) for code, name in enumerate(VERDICTS)}


def gather(folder: str | Path, data: Any = None) -> Findings:
    """Read a finished run.

    Args:
        folder: of the run.
        data: the training images, if they were in memory, or have moved.

    Raises:
        RunError: If the folder holds no finished run, or a file of it is damaged; if data are given that are
            not those of the run. That the run's own data have gone is only noted.
    """
    run = load_run(folder)
    assert run.folder is not None
    pictures, notice = None, ""
    try:
        pictures = open_pictures(run.folder, data)
        notice = pictures.notice
    except RunError as error:
        if data is not None:
            raise
        notice = str(error)
    metrics = run_folder.read_metrics(run.folder)
    found = Findings(run, pictures, notice, [], metrics)
    found.duplicates.extend(_duplicates(run.folder, found.row_of))
    return found


def _duplicates(folder: Path, row_of: dict[str, int]) -> list[list[int]]:
    """Rows of each picture of ``duplicates.csv``."""
    path = folder / run_folder.CONFLICTS
    if not path.is_file():
        return []
    groups: dict[str, list[int]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                image_id = from_spreadsheet(line.get("id") or "")
                if image_id in row_of:
                    groups.setdefault(line.get("picture") or "", []).append(row_of[image_id])
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(
            f"{path} cannot be read ({error}), as if another program had saved it; take it from a copy of "
            "the run, or remove it, and the report leaves equal pictures out"
        ) from error
    return [rows for rows in groups.values() if len(rows) > 1]
