"""The table of verdicts that a run wrote, as a file of labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelmend.data.tables import Table
from labelmend.errors import DataError

VERDICTS = "verdicts.parquet"
"""File of a run folder that the verdicts are in."""

MIN_CONFIDENCE = 0.9
"""Confidence, in [0, 1], from which a suggested label is taken unless another is asked for."""

_COLUMNS = ("id", "given_label", "suggested_label", "suggestion_confidence")


def is_verdict_table(table: Table) -> bool:
    """Whether a table holds verdicts of a run."""
    return all(name in table.columns for name in _COLUMNS)


def as_suggested(table: Table, source: Path, min_confidence: float) -> tuple[Table, str]:
    """Verdicts as ids and labels: suggested ones that are sure enough, the given ones elsewhere.

    Args:
        table: of verdicts.
        source: what to call it.
        min_confidence: of a suggestion that is taken, in [0, 1].

    Returns:
        The table, and how many suggestions were taken and not, in one line.

    Raises:
        DataError: If a confidence is no number.
    """
    labels, taken, below = [], 0, 0
    rows = zip(*(table.columns[name] for name in _COLUMNS[1:]), strict=True)
    for row, (given, suggested, confidence) in enumerate(rows):
        label = given
        if suggested != given:
            if _number(confidence, f"{table.path}, row {row + 1}") >= min_confidence:
                label, taken = suggested, taken + 1
            else:
                below += 1
        labels.append(label)
    note = (
        f"labels are those that {source} suggests: {taken:,} suggestions with a confidence of "
        f"{min_confidence:g} or more are taken, {below:,} below it are not (--min-confidence)"
    )
    return replace(table, columns={"id": table.columns["id"], "label": labels}), note


def _number(value: object, where: str) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise DataError(f"{where}: suggestion_confidence is {value!r}, expected a number") from None
