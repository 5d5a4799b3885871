"""The file under decisions: an SQLite log to which rows are only ever added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelmend.errors import RunError, WriteError

APPLICATION_ID = 0x6C6D6E64
SCHEMA_VERSION = 1
PATIENCE = 30.0
"""Seconds that a writer waits for others."""

UNDO = "undo"

_SCHEMA = {
    "run": "CREATE TABLE run (verdicts TEXT NOT NULL) STRICT",
    "log": (
        "CREATE TABLE log (seq INTEGER PRIMARY KEY, batch INTEGER NOT NULL, id TEXT NOT NULL, "
        "action TEXT NOT NULL, label TEXT, time TEXT NOT NULL) STRICT"
    ),
}


@dataclass(frozen=True)
class Entry:
    """One row of the log.

    Attributes:
        seq: 1, 2, ... in the order of writing.
        batch: what is undone together has one number; of an undo, the batch that it takes back.
        id: of an image; empty for an undo.
        action: what was decided, or ``UNDO``.
        label: the class that was decided on, if any.
        time: in UTC, as ISO 8601.
    """

    seq: int
    batch: int
    id: str
    action: str
    label: str | None
    time: str


class DecisionLog:
    """The open file; its users see to it that one thread at a time uses it.

    Args:
        path: of the file.
        verdicts: hash of the verdicts that the entries are about.
        create: make the file where there is none.

    Raises:
        RunError: If the file is damaged, none of labelmend's, or about other verdicts.
    """

    def __init__(self, path: Path, verdicts: str, *, create: bool) -> None:
        self.path = path
        with _refused(path):
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
        try:
            with _refused(path):
                # Waits for the disk at each commit, and for the name of the journal too.
                self._connection.execute("PRAGMA synchronous = EXTRA")
                self._connection.execute("PRAGMA trusted_schema = OFF")
                if create:
                    self._create(verdicts)
                self._check(verdicts)
            self._file = _identity(path)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def since(self, seq: int) -> list[Entry]:
        """Entries after number ``seq``, also those of other processes, in their order."""
        with _refused(self.path):
            rows = self._connection.execute(
                "SELECT seq, batch, id, action, label, time FROM log WHERE seq > ? ORDER BY seq", (seq,)
            ).fetchall()
        return [Entry(*row) for row in rows]

    def next_number(self) -> int:
        """Number of the entry that is added next; asked inside ``writing``."""
        (last,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()
        return int(last) + 1

    def add(self, batch: int, rows: Sequence[tuple[str, str, str | None, str]]) -> None:
        """Add entries of one batch (id, action, label, time each); done inside ``writing``."""
        self._connection.executemany(
            "INSERT INTO log (batch, id, action, label, time) VALUES (?, ?, ?, ?, ?)",
            [(batch, *row) for row in rows],
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of the block or nothing, and nobody else meanwhile; on the disk when it ends.

        Raises:
            RunError: If the file has gone or another has its name: nobody would find there what is added.
            WriteError: If the system refuses; nothing is added then.
        """
        if _identity(self.path) != self._file:
            raise RunError(f"{self.path} was moved, removed or replaced meanwhile; put it back")
        with _refused(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _create(self, verdicts: str) -> None:
        self._file = _identity(self.path)
        with self.writing():
            run = self._connection.execute
            if run("SELECT count(*) FROM sqlite_master").fetchone()[0] or self._mark():
                return
            for statement in _SCHEMA.values():
                run(statement)
            run("INSERT INTO run VALUES (?)", (verdicts,))
            run(f"PRAGMA application_id = {APPLICATION_ID}")
            run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check(self, verdicts: str) -> None:
        run = self._connection.execute
        if self._mark() != APPLICATION_ID:
            raise RunError(f"{self.path} is no file of labelmend's decisions; move it away")
        if run("PRAGMA user_version").fetchone()[0] > SCHEMA_VERSION:
            raise RunError(f"{self.path} was written by a later version of labelmend; update this one")
        found = dict(run("SELECT name, sql FROM sqlite_master").fetchall())
        if found != _SCHEMA or run("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise RunError(f"{self.path} is damaged; put a copy of it in its place, or move it away")
        if run("SELECT verdicts FROM run").fetchall() != [(verdicts,)]:
            raise RunError(
                f"{self.path} holds decisions on other verdicts than those of {self.path.parent}; move it "
                "to the run that they are about, or away"
            )

    def _mark(self) -> int:
        return int(self._connection.execute("PRAGMA application_id").fetchone()[0])


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has a name now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """One line where SQLite or the system under it refuses."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise WriteError(f"{path} cannot be used: {error}; put this right and try again") from error
    except sqlite3.DatabaseError as error:
        raise RunError(f"{path} is damaged or no file of decisions ({error}); move it away") from error
