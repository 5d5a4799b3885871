"""Corrected labels of a run's data: a file beside what was, or images in other class folders; and a patch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from labelmend.config import require
from labelmend.corrections import journal as journals
from labelmend.corrections.changes import Change, choose
from labelmend.corrections.edits import label_edits
from labelmend.corrections.journal import BEGUN, DONE, REVERTING, Journal
from labelmend.corrections.label_table import write_label_table
from labelmend.corrections.moves import Move, carry_out, missing_folders, plan_moves
from labelmend.corrections.origin import Origin, check_same, open_origin
from labelmend.corrections.rewrite import KINDS, rewrite
from labelmend.data.listing import LabelPlace, Listing
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.data.tables import read_table, table_kind
from labelmend.errors import RunError, SettingsError
from labelmend.files import check_writable, replacing
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.records import DataRecord, read_record
from labelmend.settings.loading import load
from labelmend.text import as_text
from labelmend.verdicts.decisions import Decision, Decisions
from labelmend.verdicts.frame import read_parquet


@dataclass(frozen=True)
class Applied:
    """What was done, or is planned.

    Attributes:
        images: of the run.
        changes: labels that change, in the order of the images.
        below: suggestions that are not sure enough, and that nobody decided.
        decided: images that a person decided about.
        held_out: labels that would change, but are marked as ones to test or validate on.
        others: labels that do not change, but are not those of the source, e.g. by added noise.
        folder: of patch and journal; None of a plan.
        result: the file of labels that was written, or the plan of moves; None where images were moved.
        patch: the file of changes; None of a plan.
        source: where the images come from; None if they were in memory.
        moves: of images, from where to where.
    """

    images: int
    changes: list[Change]
    below: int = 0
    decided: int = 0
    held_out: int = 0
    others: int = 0
    folder: Path | None = None
    result: Path | None = None
    patch: Path | None = None
    source: str | None = None
    moves: list[Move] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
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


def apply(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    out: str | Path | None = None,
    include_test: bool = False,
) -> Applied:
    """Write the labels of a run's data, corrected, with every column that their table has.

    Labels in a table (CSV, TSV, JSON lines, Parquet) give the same table with other labels in it; those of
    anything else a CSV table with ids, paths, labels and given labels. The data itself is not touched.

    Args:
        run: folder of a finished run.
        min_confidence: of a suggestion that is taken, in [0, 1].
        decisions: whether what a person decided goes before what is suggested.
        out: the file to write; by default one in the run folder.
        include_test: also change images that are marked as ones to test or validate on.

    Raises:
        RunError: If the run is not finished, or images or labels are no longer those that it judged.
        DataError: If the source is no longer there, or cannot be written again with other labels.
        WriteError: If the system refuses to write; nothing has changed then.
    """
    folder = Path(run)
    with run_folder.held(folder):
        journals.refuse_unfinished(folder)
        task = _prepare(folder, min_confidence, decisions, include_test)
        place = _place(task.origin.listing)
        suffix = ".csv" if place is None else _suffix(place.path)
        target = None if out is None else _checked_out(Path(out), suffix, folder, task)
        own = journals.next_folder(folder)
        target = own / f"{journals.LABELS}{suffix}" if target is None else target
        original = own / f"{journals.ORIGINAL}{suffix}"
        with replacing(original) as temporary:
            if place is None:
                _write_labels(temporary, task, task.given)
            else:
                shutil.copyfile(place.path, temporary)
        patch = own / journals.PATCH
        journals.write_patch(patch, task.applied.changes)
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
                result_sha256=journals.sha256(temporary),
                original=original.name,
                original_sha256=journals.sha256(original),
            )
            journals.write_journal(own, begun)
        journals.write_journal(own, begun.model_copy(update={"state": DONE}))
        return replace(task.applied, folder=own, result=target, patch=patch)


def plan(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    include_test: bool = False,
) -> Applied:
    """Which images would go to which class folder; written to a file, and nothing is moved.

    Arguments and errors as of ``apply``.
    """
    folder = Path(run)
    with run_folder.held(folder):
        journals.refuse_unfinished(folder)
        task = _prepare(folder, min_confidence, decisions, include_test)
        moves = plan_moves(task.origin.listing, task.rows)
        (folder / journals.CORRECTIONS).mkdir(exist_ok=True)
        path = folder / journals.CORRECTIONS / journals.PLAN
        shown = [(as_text(str(source)), as_text(str(target))) for source, target in moves]
        with replacing(path) as temporary:
            journals.write_rows(temporary, ("from", "to"), shown)
        return replace(task.applied, result=path, moves=moves)


def move(
    run: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    include_test: bool = False,
) -> Applied:
    """Move images to the folders of their corrected classes; no file takes the place of another.

    All moves are written down before the first one: when they are stopped half-way, the same call finishes
    them, and ``revert`` takes them back. Arguments and errors as of ``apply``.
    """
    folder = Path(run)
    with run_folder.held(folder):
        for own, journal in journals.journals(folder):
            if journal.kind == "moves" and journal.state == BEGUN:
                return _finish(own, journal)
            if journal.kind == "moves" and journal.state == REVERTING:
                journals.refuse_unfinished(folder)
        task = _prepare(folder, min_confidence, decisions, include_test)
        moves = plan_moves(task.origin.listing, task.rows)
        own = journals.next_folder(folder)
        journals.write_patch(own / journals.PATCH, task.applied.changes)
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
    moves = [(Path(source), Path(target)) for source, target in journal.moves]
    carry_out(moves, map(Path, journal.made))
    journals.write_journal(own, journal.model_copy(update={"state": DONE}))
    return Applied(0, [], folder=own, patch=own / journals.PATCH, source=journal.source, moves=moves)


def _prepare(run: Path, min_confidence: float, decisions: bool, include_test: bool) -> _Task:
    require(0 <= min_confidence <= 1, "min_confidence", min_confidence, "in [0, 1]")
    run_folder.require_finished(run)
    check_unchanged(run, (run_folder.VERDICTS_PARQUET, run_folder.SETTINGS, run_folder.DATA))
    verdicts = read_parquet(run / run_folder.VERDICTS_PARQUET)
    wanted = load(run / run_folder.SETTINGS).data
    source = read_record(run / run_folder.DATA, DataRecord)["source"]
    decided: Mapping[str, Decision] = {}
    if decisions:
        with Decisions.open(run) as log:
            decided = log.current()
    chosen = choose(verdicts, min_confidence, decided)
    origin = _in_memory(verdicts) if source is None else open_origin(source, wanted)
    if source is not None:
        check_same(origin, verdicts, wanted, run)
    of_run = dict(zip(verdicts["id"], verdicts["given_label"], strict=True))
    ids, now = origin.listing.ids, origin.labels
    given = [of_run.get(identity, label) for identity, label in zip(ids, now, strict=True)]
    changes, rows, held_out, others = [], {}, 0, 0
    for row, identity in enumerate(ids):
        change = chosen.changes.get(identity)
        if origin.held_out[row] and not include_test:
            held_out += change is not None
            continue
        label = given[row] if change is None else change.after
        if change is not None:
            changes.append(change)
        if label != now[row]:
            rows[row] = label
            others += change is None
    applied = Applied(len(verdicts), changes, chosen.below, chosen.decided, held_out, others, source=source)
    return _Task(run, origin, given, applied, rows)


def _in_memory(verdicts: pd.DataFrame) -> Origin:
    """What a run says of images that were in memory, and cannot be looked at again."""
    ids, given = verdicts["id"].tolist(), verdicts["given_label"].tolist()
    listing = Listing("images in memory", ids, [""] * len(ids), labels=given)
    return Origin(listing, given, sorted(set(given)), [False] * len(ids))


def _place(listing: Listing) -> LabelPlace | None:
    """The table that can be written again with other labels, or None."""
    place = listing.label_place
    if place is None or table_kind(place.path) not in KINDS or None in place.rows:
        return None
    return place


def _suffix(path: Path) -> str:
    compressed = path.suffix.lower() == ".gz"
    return "".join(path.suffixes[-2:]) if compressed else path.suffix


def _write_labels(path: Path, task: _Task, labels: list[str]) -> None:
    write_label_table(path, task.origin.listing, labels, task.given)


def _rewrite(target: Path, task: _Task, place: LabelPlace) -> None:
    column = [] if place.column is None else read_table(place.path).columns[place.column]
    edits = label_edits(place, column, task.origin.labels, task.rows, task.origin.class_names)
    rewrite(place.path, target, edits)


def _checked_out(out: Path, suffix: str, run: Path, task: _Task) -> Path:
    """Refuse a file that is the user's, or that cannot be written."""
    if not out.name.lower().endswith(suffix.lower()):
        raise SettingsError(
            f"--out is {str(out)!r}, but must end in {suffix}, as these labels are written so"
        )
    if not out.parent.is_dir():
        raise SettingsError(f"--out is {str(out)!r}, but there is no folder {out.parent}")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; give the name of a file")
    check_writable(out)
    if out.exists():
        _refuse_foreign(out, run)
    return out


def _refuse_foreign(out: Path, run: Path) -> None:
    """Refuse to replace anything but what was written here before, and left as it was."""
    written = [journal for _, journal in journals.journals(run) if journal.result == str(out.resolve())]
    if not out.is_file() or not written:
        raise RunError(f"--out {out} is there, and nothing is replaced; give another name")
    if journals.sha256(out) not in {s for j in written for s in (j.result_sha256, j.original_sha256)}:
        raise RunError(f"--out {out} was edited since it was written, and is not replaced; give another name")
