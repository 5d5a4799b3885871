"""What a person decided about the labels of a run: nothing that was noted is ever lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

import pandas as pd

from labelmend.errors import DataError, RunError
from labelmend.text import argument
from labelmend.verdicts.decision_log import UNDO, DecisionLog, Entry
from labelmend.verdicts.frame import read_parquet
from labelmend.verdicts.verdicts import PARQUET

DECISIONS = "decisions.sqlite"

ACCEPT, KEEP, CHOOSE, SKIP = "accept", "keep", "choose", "skip"
ACTIONS = (ACCEPT, KEEP, CHOOSE, SKIP)
"""Take the suggested label; keep the given one; take another; come back to it later."""


@dataclass(frozen=True)
class Decision:
    """What a person said of one image.

    Attributes:
        id: of the image.
        action: one of ``ACTIONS``.
        label: the class that is right for the image as the person sees it; None for ``skip``.
        time: when, in UTC, as ISO 8601.
    """

    id: str
    action: str
    label: str | None
    time: str


def _allow() -> None:
    pass


def has_decisions(folder: Path) -> bool:
    """Whether a run folder has a file of decisions; one that ``open`` was stopped in is none yet."""
    path = folder / DECISIONS
    return path.is_file() and path.stat().st_size > 0


def standing_decisions(folder: Path) -> Mapping[str, Decision]:
    """What a person decided about a run, by id; nothing where that is on other verdicts or unreadable."""
    if has_decisions(folder):
        with suppress(RunError), Decisions.open(folder) as log:
            return log.current()
    return {}


def verdicts_hash(table: pd.DataFrame) -> str:
    """SHA-256 (hex) of what decisions are about: ids, given and suggested labels, in their order."""
    digest = hashlib.sha256()
    for column in ("id", "given_label", "suggested_label"):
        digest.update(json.dumps(table[column].tolist()).encode())
    return digest.hexdigest()


class Decisions:
    """The decisions on one run, made by ``open``; several threads and processes may use them at once.

    A decision is on the disk before ``record`` returns. Each answer holds what others decided until then.
    """

    def __init__(self, log: DecisionLog, table: pd.DataFrame) -> None:
        self._log = log
        columns = (table[name].astype(str) for name in ("id", "given_label", "suggested_label"))
        self._labels = {id: (given, suggested) for id, given, suggested in zip(*columns, strict=True)}
        self._lock = RLock()
        self._seq = 0
        self._standing: dict[str, list[tuple[int, Decision]]] = {}
        self._batches: dict[int, list[str]] = {}
        self._history: list[tuple[int, list[str]]] = []

    @classmethod
    def open(cls, folder: str | Path, *, create: bool = False) -> Decisions:
        """The decisions in a run folder.

        Args:
            folder: of a finished run.
            create: begin with none where there is no file yet.

        Raises:
            RunError: If there is no file and ``create`` is not set, if it is damaged or none of labelmend's,
                or if it belongs to other verdicts than those of the folder.
        """
        path = Path(folder) / DECISIONS
        table = read_parquet(Path(folder) / PARQUET)
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is no regular file; move it away")
        if not create and not has_decisions(Path(folder)):
            raise RunError(
                f"nothing was decided about {folder} yet; labelmend review {argument(folder)} is for that"
            )
        decisions = cls(DecisionLog(path, verdicts_hash(table), create=create), table)
        try:
            decisions.current()
        except BaseException:
            decisions.close()
            raise
        return decisions

    def __enter__(self) -> Decisions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._log.close()

    def record(
        self, id: str, action: str, label: str | None = None, check: Callable[[], None] = _allow
    ) -> int:
        """Note a decision; returns the number of its batch, which ``undo`` takes.

        Args:
            id: of an image of the run.
            action: one of ``ACTIONS``.
            label: the class, for ``choose``; the other actions say it themselves.
            check: called while nobody else can note anything; if it raises, nothing is noted.

        Raises:
            DataError: If the run has no such image, or the action is none or lacks its label.
            WriteError: If the system refuses to write; nothing is noted then.
        """
        return self.record_all([(id, action, label)], check)

    def record_all(
        self, decisions: Iterable[tuple[str, str, str | None]], check: Callable[[], None] = _allow
    ) -> int:
        """Note decisions that are undone together, all or none; arguments as of ``record``."""
        time = _now()
        rows = [(id, action, self._label(id, action, label), time) for id, action, label in decisions]
        with self._lock:
            with self._log.writing():
                check()
                batch = self._log.next_number()
                self._log.add(batch, rows)
            self._refresh()
        return batch

    def undo(self, batch: int | None = None) -> list[str]:
        """Take back a batch of decisions: what stood before them stands again.

        Args:
            batch: its number; the last one that stands, if None.

        Returns:
            Ids of the images, in the order of the batch; none where nothing stands.
        """
        with self._lock:
            with self._log.writing():
                self._refresh()
                number = max(self._batches, default=0) if batch is None else batch
                undone = self._batches.get(number, [])
                if undone:
                    self._log.add(number, [("", UNDO, None, _now())])
            self._refresh()
        return undone

    def batches(self) -> list[int]:
        """Numbers of the batches that stand, in the order of writing."""
        with self._lock:
            self._refresh()
            return sorted(self._batches)

    def current(self) -> dict[str, Decision]:
        """The last decision on each image, by id; one of ``skip`` decides nothing."""
        with self._lock:
            self._refresh()
            return {id: stack[-1][1] for id, stack in self._standing.items()}

    def is_alone(self, id: str) -> bool:
        """Whether what stands for an image was decided about it alone, and not about many at once."""
        with self._lock:
            self._refresh()
            stack = self._standing.get(id)
            return stack is not None and len(self._batches[stack[-1][0]]) == 1

    def changes(self, since: int = 0) -> tuple[int, dict[str, Decision | None]]:
        """What has changed since an earlier answer.

        Args:
            since: the number that the earlier answer came with.

        Returns:
            A number for the next call, and what stands for each image that something was noted about, by
            id; None where nothing stands any more.
        """
        with self._lock:
            self._refresh()
            news: dict[str, Decision | None] = {}
            for seq, ids in reversed(self._history):
                if seq <= since:
                    break
                for id in ids:
                    stack = self._standing.get(id)
                    news[id] = stack[-1][1] if stack else None
            return self._seq, news

    def _refresh(self) -> None:
        for entry in self._log.since(self._seq):
            self._history.append((entry.seq, self._take_in(entry)))
            self._seq = entry.seq

    def _take_in(self, entry: Entry) -> list[str]:
        """Images that an entry is about, once it counts."""
        if entry.action == UNDO:
            undone = self._batches.pop(entry.batch, [])
            for id in undone:
                left = [held for held in self._standing.get(id, []) if held[0] != entry.batch]
                self._standing[id] = left
                if not left:
                    del self._standing[id]
            return undone
        if entry.id not in self._labels or entry.action not in ACTIONS:
            raise RunError(
                f"{self._log.path} is damaged: entry {entry.seq} says {entry.action!r} of {entry.id!r}; put "
                "a copy of it in its place, or move it away"
            )
        decision = Decision(entry.id, entry.action, entry.label, entry.time)
        self._standing.setdefault(entry.id, []).append((entry.batch, decision))
        self._batches.setdefault(entry.batch, []).append(entry.id)
        return [entry.id]

    def _label(self, id: str, action: str, label: str | None) -> str | None:
        """The label that a decision means; refuses what is none."""
        if id not in self._labels:
            raise DataError(f"the run has no image {id!r}")
        if action not in ACTIONS:
            raise DataError(f"a decision is one of {', '.join(ACTIONS)}, not {action!r}")
        if action != CHOOSE:
            given, suggested = self._labels[id]
            meant: dict[str, str | None] = {ACCEPT: suggested, KEEP: given, SKIP: None}
            return meant[action]
        try:
            if label and label.encode():
                return label
        except UnicodeEncodeError:
            pass
        raise DataError(f"{CHOOSE} needs the name of a class, not {label!r}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
