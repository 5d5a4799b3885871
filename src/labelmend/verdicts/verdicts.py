"""What a run says of every training image: a table with a few questions answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from labelmend.data.image_set import ImageSet
from labelmend.verdicts.frame import read_parquet, to_frame, write_csv, write_parquet
from labelmend.verdicts.judge import VERDICTS
from labelmend.verdicts.record import SampleRecord

PARQUET, CSV = "verdicts.parquet", "verdicts.csv"


class Verdicts:
    """One row a training image, in the order of the data.

    Args:
        table: the rows, with the columns of ``labelmend.verdicts.frame.COLUMNS``.

    Attributes:
        table: the same DataFrame: ``id``, ``path``, ``given_label``, ``predicted_label``,
            ``suggested_label`` (the given label where nothing is suggested), ``verdict``,
            ``is_label_issue``, ``label_quality`` (in [0, 1], low = suspicious),
            ``suggestion_confidence`` (in [0, 1], high = sure), ``easiness`` (in [0, 1], high = easy),
            ``votes``, ``vote_share``, ``nearest_easy_ids``, and ``true_label`` where it is known.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_record(cls, record: SampleRecord, image_set: ImageSet) -> Verdicts:
        """The table of what a method says of the images it was trained on."""
        return cls(to_frame(record, image_set))

    @classmethod
    def load(cls, folder: str | Path) -> Verdicts:
        """Read the table of a run folder.

        Raises:
            RunError: If the folder has no readable table.
        """
        return cls(read_parquet(Path(folder) / PARQUET))

    def save(self, folder: str | Path) -> None:
        """Write ``verdicts.parquet`` and ``verdicts.csv`` into a folder."""
        write_parquet(self.table, Path(folder) / PARQUET)
        write_csv(self.table, Path(folder) / CSV)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.table)

    def issues(self) -> pd.DataFrame:
        """The table in cleanlab's columns, one row an image in the order of the data.

        Returns:
            ``is_label_issue`` (bool), ``label_quality`` (in [0, 1], low = suspicious), ``given_label``
            and ``predicted_label`` (class names). It can be passed to
            ``cleanlab.classification.CleanLearning.fit(label_issues=...)`` once the labels are the
            integers that cleanlab expects.
        """
        columns = ["is_label_issue", "label_quality", "given_label", "predicted_label"]
        return self.table[columns].copy()

    def suggestions(self, top: int | None = None) -> pd.DataFrame:
        """Rows with another suggested label than the given one, the surest first.

        Args:
            top: how many at most; all by default.
        """
        other = self.table[self.table["suggested_label"] != self.table["given_label"]]
        ranked = other.sort_values(
            ["suggestion_confidence", "label_quality"], ascending=[False, True], kind="stable"
        )
        return ranked if top is None else ranked.head(top)

    def flow(self) -> pd.DataFrame:
        """How many images would move from one class to another if all suggestions were accepted.

        Returns:
            ``given_label``, ``suggested_label``, ``images``, ``share`` (of the images of the given
            class), the largest flow first.
        """
        moved = self.suggestions().groupby(["given_label", "suggested_label"], sort=True).size()
        flow = moved.rename("images").reset_index()
        class_sizes = self.table["given_label"].value_counts()
        flow["share"] = flow["images"].to_numpy() / class_sizes.reindex(flow["given_label"]).to_numpy()
        return flow.sort_values("images", ascending=False, kind="stable").reset_index(drop=True)

    def summary(self) -> dict[str, Any]:
        """Counts of ``images``, ``label_issues``, ``suggestions`` and ``verdicts``; the ten largest flows."""
        counts = self.table["verdict"].value_counts()
        return {
            "images": len(self.table),
            "label_issues": int(self.table["is_label_issue"].sum()),
            "suggestions": int((self.table["suggested_label"] != self.table["given_label"]).sum()),
            "verdicts": {name: int(counts.get(name, 0)) for name in VERDICTS},
            "flow": self.flow().head(10).to_dict("records"),
        }
