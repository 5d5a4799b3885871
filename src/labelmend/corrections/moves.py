"""Images moved from one class folder to another: planned, done, and taken back, whatever stops it between."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from labelmend.data.listing import Listing
from labelmend.data.walk import is_image_file
from labelmend.errors import RunError, WriteError
from labelmend.files import reason, synchronise_folder

Move = tuple[Path, Path]


def plan_moves(listing: Listing, changes: Mapping[int, str]) -> list[Move]:
    """Where each image goes: to the same place in the folder of its new class, under a name that is free.

    Args:
        listing: of class folders.
        changes: new class name by place in the listing.

    Raises:
        RunError: If the images are not in class folders, or one is a link that would break.
    """
    of_folder = listing.class_folders
    if of_folder is None:
        raise RunError(
            f"--move is for class folders, and labels of {listing.name} are written elsewhere; leave it out"
        )
    homes: dict[str, Path] = {}
    for folder, name in of_folder.items():
        homes.setdefault(name, folder)
    taken: set[str] = set()
    moves = []
    for place, label in changes.items():
        source = Path(str(listing.items[place]))
        home = next(folder for folder in source.parents if folder in of_folder)
        if source.is_symlink() and not os.path.isabs(os.readlink(source)):
            raise RunError(
                f"{source} is a relative link, which would lead nowhere from another folder; nothing was "
                "moved; leave --move out to write a table of labels"
            )
        if label not in homes and (label in (os.curdir, os.pardir) or Path(label).name != label):
            raise RunError(f"{label!r} cannot be the name of a folder; leave --move out")
        target = homes.get(label, home.parent / label) / source.relative_to(home)
        moves.append((source, _free(target, taken)))
    return moves


def _free(target: Path, taken: set[str]) -> Path:
    """The path, or with ``-1``, ``-2``, ... behind its name the first that no file has or will have."""
    number, found = 0, target
    while os.path.lexists(found) or _key(found) in taken:
        number += 1
        found = target.with_name(f"{target.stem}-{number}{target.suffix}")
    taken.add(_key(found))
    return found


def _key(path: Path) -> str:
    """Equal for names that some file system does not tell apart."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def missing_folders(moves: Iterable[Move]) -> list[Path]:
    """Folders that have to be made, outer ones first."""
    found: dict[Path, None] = {}
    for _, target in moves:
        for folder in reversed(target.parents):
            if not folder.exists():
                found[folder] = None
    return list(found)


def check_moves(moves: Sequence[Move]) -> None:
    """Make sure that moves can be done, or that those begun can be ended.

    Raises:
        RunError: If an image is in neither place, or in both as two files, or is none; with its paths.
    """
    for source, target in moves:
        here, there = os.path.lexists(source), os.path.lexists(target)
        if not here and not there:
            raise RunError(f"{source} is gone, and was not moved to {target}; nothing further was moved")
        if here and there and not os.path.samefile(source, target):
            raise RunError(f"{source} cannot be moved: {target} is there already, and is another file")
        if not is_image_file(source if here else target):
            raise RunError(f"{source if here else target} is no image, and is not moved")


def carry_out(moves: Sequence[Move], folders: Iterable[Path]) -> int:
    """Move what is not yet moved; returns how many were.

    Args:
        moves: of images; those that are done already are passed over.
        folders: to make first, outer ones first.

    Raises:
        RunError: As ``check_moves``.
        WriteError: If the system refuses; what is moved by then stays moved.
    """
    check_moves(moves)
    done = 0
    for folder in folders:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise WriteError(f"{folder} cannot be made: {reason(error)}") from error
    for source, target in moves:
        if os.path.lexists(source):
            try:
                _move(source, target)
            except OSError as error:
                raise WriteError(f"{source} cannot be moved to {target}: {reason(error)}") from error
            done += 1
    for folder in {path.parent for move in moves for path in move}:
        if folder.is_dir():
            synchronise_folder(folder)
    return done


def _move(source: Path, target: Path) -> None:
    """Give a file another name, and never take that of another file."""
    if os.path.lexists(target):
        # A process that was killed between the two names.
        source.unlink()
        return
    if not source.is_symlink():
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems have no second names, and some systems do not let them be made.
            pass
        else:
            source.unlink()
            return
    os.rename(source, target)


def remove_folders(folders: Sequence[Path]) -> None:
    """Remove folders that were made for moves, inner ones first, and only where nothing is in them."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()
