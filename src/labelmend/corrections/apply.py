"""Corrected labels of a run's data: a file beside what was, or images in other class folders; and a patch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmend.corrections.edits import label_edits
from labelmend.corrections.label_table import write_label_table
from labelmend.corrections.moves import carry_out, missing_folders, plan_moves
from labelmend.corrections.patch import write_patch, write_rows
from labelmend.corrections.prepare import Applied, Choice, Task, prepare
from labelmend.corrections.rewrite import KINDS, rewrite
from labelmend.corrections.target import checked_out
from labelmend.data.listing import LabelPlace, Listing
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.data.tables import read_table, table_kind
from labelmend.files import replacing
from labelmend.runs import folder as run_folder
from labelmend.runs import journal as journals
from labelmend.runs.checksums import of_file
from labelmend.runs.journal import BEGUN, DONE, REVERTING, Journal
from labelmend.settings.loading import load
from labelmend.text import as_text


def _say_nothing(_: Applied) -> None:
    pass


def apply(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    decisions_only: bool = False,
    out: str | Path | None = None,
    include_test: bool = False,
    data: Any = None,
    announce: Callable[[Applied], None] = _say_nothing,
) -> Applied:
    """Write the labels of a run's data, corrected, with every column that their table has.

    Labels in a table (CSV, TSV, JSON lines, Parquet) give the same table with other labels in it; those of
    anything else a CSV table with ids, paths, labels and given labels. The data itself is not touched.

    Args:
        run: folder of a finished run.
        min_confidence: of a suggestion that is taken, in [0, 1].
        decisions: whether what a person decided goes before what is suggested; elsewhere sure suggestions are
            taken all the same.
        decisions_only: take what a person decided, and no suggestion that nobody decided.
        out: the file to write; by default one in the run folder.
        include_test: also change images that are marked as ones to test or validate on.
        data: the images, if they were in memory, or where they are now, if they have moved since the run.
        announce: called with what will change, before anything is written.

    Raises:
        RunError: If the run is not finished, the images are no longer where they were, or they or their
            labels are no longer those that it judged.
        DataError: If the source cannot be read, or not written again with other labels.
        WriteError: If the system refuses to write; nothing has changed then.
    """
    folder = Path(run)
    choice = Choice(min_confidence, decisions, decisions_only, include_test)
    with run_folder.held(folder), ExitStack() as stack:
        journals.refuse_unfinished(folder)
        task = prepare(folder, choice, data)
        place = _place(task.origin.listing)
        suffix = ".csv" if place is None else _suffix(place.path)
        target = None if out is None else checked_out(Path(out), suffix, folder)
        announce(task.applied)
        own = journals.next_folder(folder)
        stack.callback(_remove_unless_begun, own)
        target = own / f"{journals.LABELS}{suffix}" if target is None else target
        original = own / f"{journals.ORIGINAL}{suffix}"
        with replacing(original) as temporary:
            if place is None:
                _write_labels(temporary, task, task.given)
            else:
                shutil.copyfile(place.path, temporary)
        patch = own / journals.PATCH
        write_patch(patch, task.applied.changes)
        with replacing(target) as temporary:
            if place is None:
                _write_labels(temporary, task, task.labels)
            else:
                _rewrite(temporary, task, place)
            begun = Journal(
                kind="table",
                state=BEGUN,
                source=str(place.path) if place is not None else task.applied.source,
                result=str(target.resolve()),
                result_sha256=of_file(temporary),
                original=original.name,
                original_sha256=of_file(original),
            )
            journals.write_journal(own, begun)
        journals.write_journal(own, begun.model_copy(update={"state": DONE}))
        return replace(task.applied, folder=own, result=target, patch=patch)


def plan(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    decisions_only: bool = False,
    include_test: bool = False,
    data: Any = None,
    announce: Callable[[Applied], None] = _say_nothing,
) -> Applied:
    """Which images would go to which class folder; written to a file, and nothing is moved.

    Arguments and errors as of ``apply``.
    """
    folder = Path(run)
    choice = Choice(min_confidence, decisions, decisions_only, include_test)
    with run_folder.held(folder):
        journals.refuse_unfinished(folder)
        task = prepare(folder, choice, data)
        moves = plan_moves(task.origin.listing, task.rows)
        announce(task.applied)
        (folder / journals.CORRECTIONS).mkdir(exist_ok=True)
        path = folder / journals.CORRECTIONS / journals.PLAN
        shown = [(as_text(str(source)), as_text(str(target))) for source, target in moves]
        with replacing(path) as temporary:
            write_rows(temporary, ("from", "to"), shown)
        return replace(task.applied, result=path, moves=moves)


def move(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    decisions_only: bool = False,
    include_test: bool = False,
    data: Any = None,
    announce: Callable[[Applied], None] = _say_nothing,
) -> Applied:
    """Move images to the folders of their corrected classes; no file takes the place of another.

    All moves are written down before the first one: when they are stopped half-way, the same call finishes
    them, and ``revert`` takes them back. Arguments and errors as of ``apply``; of moves that go on,
    ``announce`` is told the folder of their journal.
    """
    folder = Path(run)
    choice = Choice(min_confidence, decisions, decisions_only, include_test)
    with run_folder.held(folder):
        for own, journal in journals.journals(folder):
            if journal.kind == "moves" and journal.state == BEGUN:
                announce(_moved(own, journal))
                return replace(_finish(own, journal), reading=load(folder / run_folder.SETTINGS).data)
            if journal.kind == "moves" and journal.state == REVERTING:
                journals.refuse_unfinished(folder)
        task = prepare(folder, choice, data)
        moves = plan_moves(task.origin.listing, task.rows)
        announce(task.applied)
        own = journals.next_folder(folder)
        write_patch(own / journals.PATCH, task.applied.changes)
        journal = Journal(
            kind="moves",
            state=BEGUN,
            source=task.applied.source,
            moves=[[str(source), str(target)] for source, target in moves],
            made=[str(path) for path in missing_folders(moves)],
        )
        journals.write_journal(own, journal)
        done = _finish(own, journal)
        return replace(task.applied, folder=own, patch=done.patch, moves=done.moves)


def _finish(own: Path, journal: Journal) -> Applied:
    found = _moved(own, journal)
    carry_out(found.moves, map(Path, journal.made))
    journals.write_journal(own, journal.model_copy(update={"state": DONE}))
    return found


def _moved(own: Path, journal: Journal) -> Applied:
    moves = [(Path(source), Path(target)) for source, target in journal.moves]
    return Applied(0, [], folder=own, patch=own / journals.PATCH, source=journal.source, moves=moves)


def _place(listing: Listing) -> LabelPlace | None:
    """The table that can be written again with other labels, or None."""
    place = listing.label_place
    if place is None or table_kind(place.path) not in KINDS or None in place.rows:
        return None
    return place


def _suffix(path: Path) -> str:
    compressed = path.suffix.lower() == ".gz"
    return "".join(path.suffixes[-2:]) if compressed else path.suffix


def _write_labels(path: Path, task: Task, labels: list[str]) -> None:
    write_label_table(path, task.origin.listing, labels, task.given)


def _rewrite(target: Path, task: Task, place: LabelPlace) -> None:
    column = [] if place.column is None else read_table(place.path).columns[place.column]
    edits = label_edits(place, column, task.origin.labels, task.rows, task.origin.class_names)
    rewrite(place.path, target, edits)


def _remove_unless_begun(own: Path) -> None:
    """Leave no copies of a table behind that nothing was written for."""
    if not (own / journals.JOURNAL).is_file():
        shutil.rmtree(own, ignore_errors=True)
