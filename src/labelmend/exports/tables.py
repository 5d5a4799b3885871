"""Plain tables: one for spreadsheets, one in cleanlab's columns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from labelmend.exports.labelled import LabelledRun
from labelmend.files import replacing
from labelmend.verdicts.frame import write_csv


def export_csv(run: LabelledRun, out: Path) -> list[Path]:
    """All columns of the verdicts and ``label``; no cell is a formula to a spreadsheet."""
    path = out / "labels.csv"
    write_csv(run.table, path)
    return [path]


def export_cleanlab(run: LabelledRun, out: Path) -> list[Path]:
    """What ``CleanLearning.fit(label_issues=...)`` takes, with classes as integers, in data order."""
    path = out / "label_issues.csv"
    issues = pd.DataFrame(
        {
            "is_label_issue": run.table["is_label_issue"],
            "label_quality": run.table["label_quality"],
            "given_label": run.indices("given_label"),
            "predicted_label": run.indices("predicted_label"),
        }
    )
    with replacing(path) as temporary:
        issues.to_csv(temporary, index=False, lineterminator="\n")
    return [path]
