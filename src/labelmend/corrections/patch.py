"""Tables that say what changes: the patch of labels, and lists for a person."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from labelmend.corrections.changes import Change
from labelmend.files import csv_rows, replacing
from labelmend.text import spreadsheet_safe

PATCH_COLUMNS = ("id", "from", "to", "why", "confidence")


def write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a CSV file whose cells no spreadsheet takes for formulas, where nothing is to be kept."""
    with csv_rows(path) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(map(spreadsheet_safe, row) for row in rows)


def write_patch(path: Path, changes: Iterable[Change]) -> None:
    """Write which labels change, from what to what, and why."""
    rows = (
        (c.id, c.before, c.after, c.why, "" if c.confidence is None else f"{c.confidence:.6f}")
        for c in changes
    )
    with replacing(path) as temporary:
        write_rows(temporary, PATCH_COLUMNS, rows)
