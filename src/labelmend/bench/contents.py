"""What lies behind the paths of a cell, in checksums: files of one name may be two, and one may move."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from labelmend.bench.suite import Cell
from labelmend.data import is_named
from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.tables import TABLE_SUFFIXES
from labelmend.data.walk import is_hidden
from labelmend.errors import LabelmendError
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import of_file
from labelmend.runs.fingerprint import of_json
from labelmend.verdicts.decisions import Decisions

DECISIONS = "decisions"
_READ = (*IMAGE_SUFFIXES, *TABLE_SUFFIXES)
"""Suffixes of the files of a folder that count; an image may have none."""


class Contents:
    """Checksums of what the paths of cells lead to; each path is read once."""

    def __init__(self) -> None:
        self._of_path = cache(_of_path)
        self._of_decisions = cache(_of_decisions)

    def of(self, cell: Cell) -> dict[str, str]:
        """SHA-256 (hex) of what each path of a cell leads to, by the setting that names it.

        Of a file its bytes count; of a folder the names and sizes of the images and tables in it, since to
        read a million photographs whole takes as long as an epoch; of a run whose labels are taken its
        verdicts, and of one whose decisions are what a person decided. What cannot be read has none.
        """
        found = {
            name: (self._of_decisions if name == DECISIONS else self._of_path)(Path(path))
            for name, path in paths_of(cell).items()
        }
        return {name: digest for name, digest in found.items() if digest is not None}


def paths_of(cell: Cell) -> dict[str, str]:
    """The paths that a cell names, by the setting.

    Without the root of images in a table: much else may lie there, and the table says which are meant.
    """
    wanted = cell.settings.data
    paths = {
        "data": None if is_named(cell.data) else cell.data,
        "labels": wanted.labels,
        DECISIONS: wanted.decisions,
        "test": None if is_named(wanted.test_source) else wanted.test_source,
        "weights": cell.settings.network.weights,
    }
    return {name: path for name, path in paths.items() if path is not None}


def _of_path(path: Path) -> str | None:
    with suppress(OSError):
        if path.is_file():
            return of_file(path)
        if run_folder.is_finished(path):
            return of_file(path / run_folder.VERDICTS_PARQUET)
        if path.is_dir():
            return of_json(sorted(_sizes(path)))
    return None


def _sizes(root: Path) -> list[tuple[str, int]]:
    """Name and size of each image and table below a folder; links to folders are followed once."""
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in files:
            path = Path(folder, name)
            counts = name.lower().endswith(_READ) or not path.suffix
            if counts and not is_hidden(name) and path.is_file():
                found.append((path.relative_to(root).as_posix(), path.stat().st_size))
    return found


def _of_decisions(run: Path) -> str | None:
    with suppress(LabelmendError), Decisions.open(run) as decisions:
        return of_json(sorted((identity, entry.label) for identity, entry in decisions.current().items()))
    return None
