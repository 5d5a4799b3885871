"""What an application of labels would change, compared with the data before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from labelmend.config import DataSettings, Settings, require
from labelmend.corrections.changes import Change, choose
from labelmend.corrections.moves import Move
from labelmend.corrections.origin import Origin, check_same, open_origin
from labelmend.data.listing import Listing
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.errors import RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.jobs import absolute
from labelmend.runs.journal import moved_images
from labelmend.runs.same_pixels import check_pixels
from labelmend.runs.whereabouts import find_data
from labelmend.text import argument
from labelmend.verdicts.decisions import SKIP, Decision, Decisions, standing_decisions
from labelmend.verdicts.frame import read_parquet


@dataclass(frozen=True)
class Choice:
    """Which labels are to change.

    Attributes:
        min_confidence: of a suggestion that is taken, in [0, 1].
        decisions: whether what a person decided goes before what is suggested.
        decisions_only: take what a person decided, and no suggestion that nobody decided.
        include_test: also change images that are marked as ones to test or validate on.
    """

    min_confidence: float = MIN_CONFIDENCE
    decisions: bool = False
    decisions_only: bool = False
    include_test: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.min_confidence <= 1, "min_confidence", self.min_confidence, "in [0, 1]")


@dataclass(frozen=True)
class Applied:
    """What was done, or is planned.

    Attributes:
        images: of the run.
        changes: labels that change, in the order of the images.
        below: suggestions that nobody decided, and that are not sure enough or not asked for.
        decided: images that a person decided about, those that keep their label included.
        ignored: images that a person decided about, where decisions were not asked for.
        held_out: labels that would change, but are marked as ones to test or validate on.
        others: labels that do not change, but are not those of the source, e.g. by added noise.
        new_classes: labels that no image of the source has, sorted.
        folder: of patch and journal; None of a plan.
        result: the file of labels that was written, or the plan of moves; None where images were moved.
        patch: the file of changes; None of a plan.
        source: where the images come from; None if they were in memory.
        reading: how they are read.
        moves: of images, from where to where.
    """

    images: int
    changes: list[Change]
    below: int = 0
    decided: int = 0
    ignored: int = 0
    held_out: int = 0
    others: int = 0
    new_classes: list[str] = field(default_factory=list)
    folder: Path | None = None
    result: Path | None = None
    patch: Path | None = None
    source: str | None = None
    reading: DataSettings = field(default_factory=DataSettings)
    moves: list[Move] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """Everything that is known before anything is written."""

    run: Path
    origin: Origin
    given: list[str]
    applied: Applied
    rows: dict[int, str]

    @property
    def labels(self) -> list[str]:
        """The label that each image of the source is to have."""
        return [self.rows.get(row, label) for row, label in enumerate(self.origin.labels)]


def prepare(run: Path, choice: Choice, data: Any = None) -> Task:
    """Read a run and its decisions, list its data again, and choose what changes.

    Args:
        run: folder of a finished run.
        choice: what is asked for.
        data: its images, if they were in memory, or where they are now, if they have moved.

    Raises:
        RunError: If the run is not finished, the source is no longer there, or images or labels are no longer
            those that it judged.
        DataError: If the source cannot be read.
    """
    run_folder.require_finished(run)
    check_unchanged(run, (run_folder.VERDICTS_PARQUET, run_folder.SETTINGS, run_folder.DATA))
    verdicts = read_parquet(run / run_folder.VERDICTS_PARQUET)
    source, settings = find_data(run, data)
    wanted = settings.data
    if isinstance(source, str | Path):
        source = absolute(str(source))
    decided, ignored = _decisions(run, choice)
    # No suggestion is as sure as that.
    least = float("inf") if choice.decisions_only else choice.min_confidence
    chosen = choose(verdicts, least, decided)
    origin = _in_memory(verdicts) if source is None else open_origin(source, wanted)
    before: dict[str, str] = {}
    if source is not None:
        before = _check_images(run, source, settings, origin, verdicts)
    of_run = before | dict(zip(verdicts["id"], verdicts["given_label"], strict=True))
    ids, now = origin.listing.ids, origin.labels
    given = [of_run.get(identity, label) for identity, label in zip(ids, now, strict=True)]
    changes, rows, held_out, others = [], {}, 0, 0
    for row, identity in enumerate(ids):
        change = chosen.changes.get(identity)
        if origin.held_out[row] and not choice.include_test:
            held_out += change is not None
            continue
        label = given[row] if change is None else change.after
        if change is not None:
            changes.append(change)
        if label != now[row]:
            rows[row] = label
            others += change is None
    applied = Applied(
        images=len(verdicts),
        changes=changes,
        below=chosen.below,
        decided=chosen.decided,
        ignored=ignored,
        held_out=held_out,
        others=others,
        new_classes=sorted(set(rows.values()) - set(origin.class_names)),
        source=source if isinstance(source, str) else None,
        reading=wanted,
    )
    return Task(run, origin, given, applied, rows)


def _check_images(
    run: Path, source: Any, settings: Settings, origin: Origin, verdicts: pd.DataFrame
) -> dict[str, str]:
    """Refuse other images or labels than the run judged; returns what ``check_same`` does."""
    try:
        before = check_same(origin, verdicts, settings.data, run)
    except RunError as error:
        if not moved_images(run):
            raise
        raise RunError(
            f"labelmend apply has moved images of {origin.listing.name} already; labelmend revert "
            f"{argument(run)} takes that back, labelmend fit trains on the data as it is"
        ) from error
    check_pixels(run, source, settings, origin.listing)
    return before


def _decisions(run: Path, choice: Choice) -> tuple[Mapping[str, Decision], int]:
    """Decisions that are asked for, and how many there are where none is."""
    if choice.decisions or choice.decisions_only:
        with Decisions.open(run) as log:
            return log.current(), 0
    # Nobody asked for it, so that it may be anything.
    return {}, sum(decision.action != SKIP for decision in standing_decisions(run).values())


def _in_memory(verdicts: pd.DataFrame) -> Origin:
    """What a run says of images that were in memory, and cannot be looked at again."""
    ids, given = verdicts["id"].tolist(), verdicts["given_label"].tolist()
    listing = Listing("images in memory", ids, [""] * len(ids), labels=given)
    return Origin(listing, given, sorted(set(given)), [False] * len(ids))
