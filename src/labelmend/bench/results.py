"""Results of finished cells, read from their JSON files and grouped by noise and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from labelmend.config import TRUSTED
from labelmend.errors import RunError
from labelmend.runs.records import Finite, Record, read_record

ResultRecord = dict[str, Any]
Groups = dict[tuple[str, str], list[ResultRecord]]
"""Records over seeds, by (noise, row)."""

LAST = "test_accuracy_last"
WHERE = ("labels", "decisions", "image_root", "test")
"""Settings of the data whose folder may differ from machine to machine, but not their name in it."""
LABELS = ("class names", "ids", "given labels")
"""Parts of the fingerprint of a set of images that tell its labels; features depend on the network."""


class Measured(Record):
    """The summary of a finished cell."""

    flops: Finite
    seconds: Finite
    processor: str
    test_accuracy_last: Finite | None = None
    test_accuracy_mean_of_last_10: Finite | None = None
    test_accuracy_best: Finite | None = None
    test_images: int | None = None
    detection_ap: Finite | None = None
    detection_auroc: Finite | None = None
    detection_precision: Finite | None = None
    detection_recall: Finite | None = None
    neighbour_ap: Finite | None = None
    neighbour_auroc: Finite | None = None


class Result(Record):
    """The JSON file of a finished cell, as far as tables are made of it."""

    row: str
    noise: str | None
    seed: int
    summary: Measured
    selection: dict[str, Finite | None]
    train_set: dict[str, str] | None = None
    test_set: dict[str, str] | None = None

    @model_validator(mode="after")
    def _images_are_counted(self) -> Result:
        # The standard error of a choice is made of their number.
        if scored_by_trusted(self.model_dump()) and self.summary.test_images is None:
            raise ValueError("'summary.test_images' is missing, though trusted labels scored it")
        return self


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


def scored_by_trusted(record: ResultRecord) -> bool:
    """Whether the accuracy of a cell is by labels that a person has confirmed."""
    asked: str | None = ((record.get("settings") or {}).get("data") or {}).get("test")
    return asked == TRUSTED and record["summary"].get(LAST) is not None


def labels_of(record: ResultRecord, part: Literal["train_set", "test_set"]) -> dict[str, str]:
    """What is recorded of the labels that a cell was trained or scored by; older files have less of it."""
    found = {name: value for name, value in (record.get(part) or {}).items() if name in LABELS}
    # Made by a network, noise is not the same on every machine.
    noise = (record.get("noise_record") or {}).get("sha256") if part == "train_set" else None
    return found if noise is None else {**found, "noise": noise}


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
