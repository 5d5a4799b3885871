"""Labels put back as they were before they were applied: the same bytes, or images in the same places."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from labelmend.corrections.moves import carry_out, remove_folders
from labelmend.errors import RunError
from labelmend.files import replacing
from labelmend.runs import journal as journals
from labelmend.runs.checksums import of_file
from labelmend.runs.journal import DONE, REVERTED, REVERTING, Journal
from labelmend.runs.lock import locked


@dataclass(frozen=True)
class Reverted:
    """What was put back.

    Attributes:
        folder: of the journal.
        files: that are as they were; none where images were moved.
        moved: images that were moved back.
    """

    folder: Path
    files: list[Path]
    moved: int


def revert(what: str | Path) -> Reverted:
    """Take back an application of labels.

    Args:
        what: a run folder, for the last one that stands; or the patch that one wrote.

    Raises:
        RunError: If there is none to take back, or its file was edited since, or an image is gone.
        WriteError: If the system refuses; the same call goes on.
    """
    path = Path(what)
    own = _of_patch(path) if path.is_file() else _last(path)
    with locked(own.parent.parent):
        journal = journals.read_journal(own)
        if journal.state == REVERTED:
            raise RunError(f"{own} was taken back already")
        if journal.kind == "moves":
            return _move_back(own, journal)
        files = _put_back(own, journal)
        journals.write_journal(own, journal.model_copy(update={"state": REVERTED}))
        return Reverted(own, files, 0)


def _of_patch(path: Path) -> Path:
    folder = path.resolve().parent
    if path.name != journals.PATCH or not (folder / journals.JOURNAL).is_file():
        raise RunError(
            f"{path} is no patch with its {journals.JOURNAL} beside it; give the run folder, or the "
            f"{journals.PATCH} in its folder {journals.CORRECTIONS}"
        )
    return folder


def _last(run: Path) -> Path:
    if not run.is_dir():
        raise RunError(f"there is no run folder or patch {run}")
    for folder in reversed(journals.folders(run)):
        journal = journals.read_journal(folder)
        # A table that was begun and never got its name changed nothing; moves that were begun may have.
        stands = journal.kind == "moves" or journal.state == DONE or _found(journal, journal.result_sha256)
        if journal.state != REVERTED and stands:
            return folder
    raise RunError(f"no labels of {run} were applied that could be taken back")


def _found(journal: Journal, digest: str) -> list[Path]:
    """The places of the table that was written where a file with these bytes lies."""
    return [path for path in journal.places if path.is_file() and of_file(path) == digest]


def _put_back(own: Path, journal: Journal) -> list[Path]:
    original = own / journal.original
    if not original.is_file() or of_file(original) != journal.original_sha256:
        raise RunError(f"{original} is missing or damaged, so that nothing can be put back")
    found = _found(journal, journal.result_sha256)
    for path in found:
        with replacing(path) as temporary:
            shutil.copyfile(original, temporary)
    if found:
        return found
    # A process that was killed between the file and the journal has done this.
    done = _found(journal, journal.original_sha256)
    if not done or (done[0] != Path(str(journal.result)) and Path(str(journal.result)).exists()):
        raise RunError(
            f"{journal.result} is no longer what labelmend wrote, and is left alone; what it was before is "
            f"in {original}"
        )
    return done


def _move_back(own: Path, journal: Journal) -> Reverted:
    journals.write_journal(own, journal.model_copy(update={"state": REVERTING}))
    moves = [(Path(target), Path(source)) for source, target in journal.moves]
    moved = carry_out(moves, [])
    remove_folders([Path(folder) for folder in journal.made])
    journals.write_journal(own, journal.model_copy(update={"state": REVERTED}))
    return Reverted(own, [], moved)
