"""The verdicts of a run with the label that each image is to have, and the files of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from labelmend.corrections.changes import choose
from labelmend.errors import RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.pictures import RunPictures, open_pictures
from labelmend.runs.records import read_model
from labelmend.verdicts.decisions import Decisions, has_decisions
from labelmend.verdicts.frame import read_parquet


@dataclass(frozen=True)
class LabelledRun:
    """A finished run.

    Attributes:
        folder: of the run.
        table: its verdicts, and a column ``label``: what a person decided, else a suggestion that is sure
            enough, else the given label.
        classes: names in index order.
        data: the training images, if they were in memory or have moved; else None.
    """

    folder: Path
    table: pd.DataFrame
    classes: list[str]
    data: Any = None

    def indices(self, column: str) -> pd.Series:
        """A column of class names as indices into ``classes``, int64."""
        found: pd.Series = self.table[column].map({name: i for i, name in enumerate(self.classes)})
        return found.astype("int64")

    def pictures(self) -> RunPictures:
        """The images that the run was trained on.

        Raises:
            RunError: If not all of them are still there.
        """
        found = open_pictures(self.folder, self.data, exact=True)
        missing = [identity for identity in self.table["id"] if identity not in found]
        if missing:
            raise RunError(f"{found.notice or self.folder}: image {missing[0]!r} is not there any more")
        return found

    def files(self, advice: str) -> list[Path]:
        """The file of each image.

        Args:
            advice: what to do where there are none.

        Raises:
            RunError: If an image has no file of its own.
        """
        pictures = self.pictures()
        items = [pictures.listing.items[pictures.rows[i]] for i in self.table["id"] if pictures.listing.items]
        files = [item for item in items if isinstance(item, Path)]
        if len(files) < len(self.table):
            raise RunError(f"the images of {self.folder} are not files of their own; {advice}")
        return [file.absolute() for file in files]


def open_labelled(folder: Path, min_confidence: float, data: Any = None) -> LabelledRun:
    """Read a finished run.

    Raises:
        RunError: If it is not finished, or a file of it is missing or damaged.
    """
    run_folder.require_finished(folder)
    table = read_parquet(folder / run_folder.VERDICTS_PARQUET)
    decided = {}
    if has_decisions(folder):
        with Decisions.open(folder) as decisions:
            decided = decisions.current()
    changes = choose(table, min_confidence, decided).changes
    pairs = zip(table["id"], table["given_label"], strict=True)
    label = [changes[identity].after if identity in changes else given for identity, given in pairs]
    classes = list(read_model(folder / run_folder.MODEL_INFO)["classes"])
    classes += sorted(set(label) - set(classes))
    # What is true is known in benchmarks only, and is no finding of the run.
    plain = table.drop(columns="true_label", errors="ignore")
    return LabelledRun(folder, plain.assign(label=label), classes, data)
