"""Results of finished cells, read from their JSON files and grouped by noise and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from labelmend.errors import RunError
from labelmend.runs.records import Record, read_record

ResultRecord = dict[str, Any]
Groups = dict[tuple[str, str], list[ResultRecord]]
"""Records over seeds, by (noise, row)."""

LAST = "test_accuracy_last"
WHERE = ("labels", "decisions", "image_root", "test")
"""Settings of the data whose folder may differ from machine to machine, but not their name in it."""
LABELS = ("class names", "ids", "given labels")
"""Parts of the fingerprint of a set of images that tell its labels; features depend on the network."""


class Result(Record):
    """The JSON file of a finished cell, as far as tables are made of it."""

    row: str
    noise: str | None
    summary: dict[str, Any]
    train_set: dict[str, str] | None = None
    test_set: dict[str, str] | None = None


def read_results(folder: Path) -> list[ResultRecord]:
    """Records of the finished cells in a folder, by file name.

    Raises:
        RunError: If there are none, or a file is no such record.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise RunError(f"{folder} holds no results; run labelmend bench first")
    return [read_record(path, Result) for path in paths]


def data_asked(data: dict[str, Any]) -> dict[str, Any]:
    """Settings of the data, but for where they lie."""
    names = {name: None if data.get(name) is None else Path(data[name]).name for name in WHERE}
    # The root may be said by the environment instead.
    return {name: value for name, value in {**data, **names}.items() if name != "root"}


def labels_of(record: ResultRecord, part: Literal["train_set", "test_set"]) -> list[str | None] | None:
    """What tells the labels that a cell was trained or scored by; None where it was not recorded."""
    found = record.get(part)
    if found is None:
        return None
    # Made by a network, noise is not the same on every machine.
    noise = (record.get("noise_record") or {}).get("sha256") if part == "train_set" else None
    return [*(found.get(name) for name in LABELS), noise]


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
