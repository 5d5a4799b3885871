"""What was done to the labels of a run's data, written down before it is done: to finish or undo it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from labelmend.data.tables import table_kind
from labelmend.errors import RunError
from labelmend.files import write_json
from labelmend.runs.records import Record, read_record
from labelmend.text import argument

CORRECTIONS = "corrections"
"""Folder, in that of a run, with a numbered folder for each time that labels were applied."""

JOURNAL, PATCH, PLAN = "journal.json", "patch.csv", "plan.csv"
LABELS, ORIGINAL = "labels", "original"
"""Names of the labels that were written and of what they were, before the suffix of their kind."""

State = Literal["begun", "done", "reverting", "reverted"]
BEGUN: State = "begun"
DONE: State = "done"
REVERTING: State = "reverting"
REVERTED: State = "reverted"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value


Name = Annotated[Any, AfterValidator(_text)]
"""The name of a file, which pydantic would refuse where it is no UTF-8."""


class Journal(Record):
    """One application of labels.

    Attributes:
        kind: ``table`` where a file was written, ``moves`` where images were moved.
        state: how far it has got.
        source: where the images come from.
        result: the file that was written.
        result_sha256: of its bytes.
        original: name, in the folder of the journal, of what the file would be without the changes.
        original_sha256: of its bytes.
        moves: paths of each image before and after.
        made: folders that did not exist before.
    """

    kind: Literal["table", "moves"]
    state: State
    source: Name | None = None
    result: Name | None = None
    result_sha256: str = ""
    original: str = ""
    original_sha256: str = ""
    moves: list[Annotated[list[Name], Field(min_length=2, max_length=2)]] = Field(default_factory=list)
    made: list[Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _stays_at_home(self) -> Journal:
        """Refuse what no application writes: a folder of runs may come from anybody."""
        if self.kind == "table":
            suffix = self.original.removeprefix(ORIGINAL)
            if self.original in (suffix, ORIGINAL) or os.sep in suffix or table_kind(Path(suffix)) is None:
                raise ValueError(f"{self.original!r} is no table that lies beside it")
            if not str(self.result).lower().endswith(suffix.lower()):
                raise ValueError(f"{self.result!r} is no table of the kind of {self.original!r}")
            return self
        home = os.path.abspath(str(self.source))
        for path in [*(path for move in self.moves for path in move), *self.made]:
            if not Path(os.path.abspath(path)).is_relative_to(home):
                raise ValueError(f"{path!r} is not in the folder of the images, {home!r}")
        for before, after in self.moves:
            if Path(before).suffix != Path(after).suffix:
                raise ValueError(f"{before!r} would be another kind of file as {after!r}")
        return self

    @property
    def places(self) -> list[Path]:
        """Where the table that was written may lie: under its name, and as its source, where that is one."""
        suffix = self.original.removeprefix(ORIGINAL).lower()
        names = (str(name) for name in (self.result, self.source) if name is not None)
        return [Path(name) for name in dict.fromkeys(names) if name.lower().endswith(suffix)]


def folders(run: Path) -> list[Path]:
    """Folders of all applications to a run, in their order; those without a journal were never begun."""
    numbered = [path for path in (run / CORRECTIONS).glob("*") if path.name.isdecimal()]
    return sorted((path for path in numbered if (path / JOURNAL).is_file()), key=lambda path: int(path.name))


def next_folder(run: Path) -> Path:
    """A new folder for one application."""
    numbers = [int(path.name) for path in (run / CORRECTIONS).glob("*") if path.name.isdecimal()]
    folder = run / CORRECTIONS / str(max(numbers, default=0) + 1)
    folder.mkdir(parents=True)
    return folder


def read_journal(folder: Path) -> Journal:
    """The journal in a folder.

    Raises:
        RunError: If it is missing or damaged.
    """
    return Journal.model_validate(read_record(folder / JOURNAL, Journal))


def write_journal(folder: Path, journal: Journal) -> None:
    """Write the journal, durably."""
    write_json(folder / JOURNAL, journal.model_dump())


def journals(run: Path) -> Iterator[tuple[Path, Journal]]:
    """Folder and journal of all applications to a run, in their order."""
    for folder in folders(run):
        yield folder, read_journal(folder)


def moved_images(run: Path) -> dict[str, str]:
    """What moves that have not been taken back made of the names of images.

    Returns:
        The name before, by that after; both from the folder of the images, with ``/`` between folders.
    """
    names: dict[str, str] = {}
    for _, journal in journals(run):
        if journal.kind == "moves" and journal.state != REVERTED:
            home = os.path.abspath(str(journal.source))
            for move in journal.moves:
                before, after = (Path(os.path.relpath(path, home)).as_posix() for path in move)
                names[after] = before
    return names


def refuse_unfinished(run: Path) -> None:
    """Refuse to go on while moves were begun and not ended.

    Raises:
        RunError: If there are any.
    """
    for folder, journal in journals(run):
        if journal.kind == "moves" and journal.state in (BEGUN, REVERTING):
            raise RunError(
                f"the moves of {folder} were stopped half-way; labelmend apply {argument(run)} --move --yes "
                f"finishes them, labelmend revert {argument(run)} takes them back"
            )
