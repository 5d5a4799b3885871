"""Results of finished cells, read from their JSON files and grouped by noise and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.errors import RunError
from labelmend.runs.records import Record, read_record

ResultRecord = dict[str, Any]
Groups = dict[tuple[str, str], list[ResultRecord]]
"""Records over seeds, by (noise, row)."""

LAST = "test_accuracy_last"


class Result(Record):
    """The JSON file of a finished cell, as far as tables are made of it."""

    row: str
    noise: str | None
    summary: dict[str, Any]


def read_results(folder: Path) -> list[ResultRecord]:
    """Records of the finished cells in a folder, by file name.

    Raises:
        RunError: If there are none, or a file is no such record.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise RunError(f"{folder} holds no results; run labelmend bench first")
    return [read_record(path, Result) for path in paths]


def noise_name(noise: str | None) -> str:
    """How a noise spec is shown."""
    return noise or "as given"


def grouped(records: list[ResultRecord]) -> Groups:
    """Records over seeds, by noise and row."""
    groups: Groups = {}
    for record in records:
        groups.setdefault((noise_name(record["noise"]), record["row"]), []).append(record)
    return groups


def values(records: list[ResultRecord], name: str) -> list[float]:
    """A figure of the summary of each record that has it."""
    found = [record["summary"].get(name) for record in records]
    return [value for value in found if value is not None]
