"""What the review page asks and says, without the network: rows, decisions, progress, estimate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from labelmend.errors import DataError, LabelmendError
from labelmend.review.audit import Stratum, estimate
from labelmend.review.neighbours import Neighbours
from labelmend.review.views import AUDIT, DECIDED, OPEN, PUT_OFF, SUGGESTIONS, VIEWS, Views
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.pictures import RunPictures, open_pictures
from labelmend.runs.records import read_model
from labelmend.text import argument, count, printable
from labelmend.verdicts.decisions import ACCEPT, CHOOSE, SKIP, Decision, Decisions, verdicts_hash
from labelmend.verdicts.frame import read_parquet
from labelmend.verdicts.judge import EASY

SHOWN_IN_PREVIEW = 60
PATIENCE = 0.5
"""Seconds that a question for the nearest images waits for their features."""


def _which(rows: np.ndarray) -> str:
    """Equal for the same rows only."""
    return hashlib.sha256(np.sort(rows).astype("<i8").tobytes()).hexdigest()


class Conflict(LabelmendError):
    """Somebody else decided meanwhile; nothing was noted."""


class Session:
    """A run that is being reviewed; every method may be called by several threads at once.

    Images are known by their rows in the table of verdicts, classes by their places in ``classes``.

    Args:
        folder: of a finished run.
        audit: images of the sample that the share of wrong labels is estimated from.
        data: the training images, if they have moved.

    Raises:
        RunError: If the run, its decisions or its images cannot be used.
    """

    def __init__(self, folder: str | Path, audit: int = 100, data: str | None = None) -> None:
        self.folder, self._moved_to = Path(folder), data
        run_folder.require_finished(self.folder)
        check_unchanged(self.folder, [run_folder.VERDICTS_PARQUET, run_folder.MODEL_INFO])
        table = read_parquet(self.folder / run_folder.VERDICTS_PARQUET)
        self.classes: list[str] = read_model(self.folder / run_folder.MODEL_INFO)["classes"]
        self.pictures: RunPictures = open_pictures(self.folder, data, exact=True)
        place = {name: number for number, name in enumerate(self.classes)}
        self._given, self._suggested, self._predicted = (
            np.array([place[name] for name in table[column]], dtype=np.int64)
            for column in ("given_label", "suggested_label", "predicted_label")
        )
        self._place = place
        self._ids: list[str] = table["id"].tolist()
        self._row = {identifier: row for row, identifier in enumerate(self._ids)}
        self._table = table
        self.hash = verdicts_hash(table)
        self._neighbours = Neighbours(
            self.folder, self.pictures, table["id"][table["verdict"] == EASY].tolist()
        )
        # The same run has the same sample, also after a restart.
        self._views = Views(table, self._given, audit, seed=int(self.hash[:16], 16))
        self._state = np.full(len(table), OPEN, dtype=np.int8)
        self._wrong = np.zeros(len(table), dtype=bool)
        self._many = np.zeros(len(table), dtype=bool)
        self._standing: dict[int, Decision] = {}
        self._tabs: dict[int, str] = {}
        self._seq = 0
        self._lock = RLock()
        self.decisions = Decisions.open(self.folder, create=True)
        self._before = set(self.decisions.batches())
        self._refresh()

    def overview(self) -> dict[str, Any]:
        """What the page shows once: names, classes, what the views hold."""
        return {
            "run": printable(self.folder.resolve().name),
            "next": printable(self._apply_command()),
            "classes": [printable(name) for name in self.classes],
            "hash": self.hash[:12],
            "notice": printable(self.pictures.notice),
            "votes": bool(self._table["votes"].any()),
        }

    def item(self, view: str, given: int | None, row: int | None, step: int) -> dict[str, Any] | None:
        """An image of a view, or None where there is none; arguments as of ``Views``.

        Raises:
            DataError: If the view or the row does not exist.
        """
        if row is not None and not 0 <= row < len(self._table):
            raise DataError(f"there is no row {row}; the run has {len(self._table):,}, counted from 0")
        with self._lock:
            self._refresh()
            state = self._state_in(view)
            rows = self._views.rows(view, given, state)
            found = self._views.find(view, rows, row, step, state)
            return None if found is None else self._describe(int(rows[found]), found, len(rows))

    def _describe(self, row: int, position: int, total: int) -> dict[str, Any]:
        cells = self._table.iloc[row]
        return {
            "row": row,
            "position": position,
            "total": total,
            "id": printable(cells["id"]),
            "given": int(self._given[row]),
            "suggested": int(self._suggested[row]),
            "predicted": int(self._predicted[row]),
            "verdict": cells["verdict"],
            "quality": float(cells["label_quality"]),
            "confidence": float(cells["suggestion_confidence"]),
            "votes": int(cells["votes"]),
            "vote_share": float(cells["vote_share"]),
            "evidence": self._named(dict.fromkeys(cells["nearest_easy_ids"])),
            "decision": self._of(row),
        }

    def nearest(self, row: int) -> dict[str, Any]:
        """The easy images nearest to one on which no anchor voted; not ready while features are computed."""
        found = self._neighbours.of(self.picture_id(row), wait=PATIENCE)
        return {"ready": found is not None, "evidence": self._named(found or [])}

    def _named(self, identifiers: Iterable[str]) -> list[dict[str, int]]:
        """Rows and given labels of images, as far as the run has them."""
        rows = [self._row[identifier] for identifier in identifiers if identifier in self._row]
        return [{"row": row, "given": int(self._given[row])} for row in rows]

    def _of(self, row: int) -> dict[str, Any] | None:
        decision = self._standing.get(row)
        if decision is None:
            return None
        label = None if decision.label is None else self._place.get(decision.label)
        # A class that came from elsewhere has no place among those of the run.
        other = decision.label is not None and label is None
        return {
            "action": decision.action,
            "label": label,
            "new": printable(str(decision.label)) if other else None,
            "time": decision.time,
        }

    def decide(self, row: int, action: str, label: int | None, seen: str | None, tab: str) -> None:
        """Note a decision on one image.

        Args:
            row: of the image.
            action: one of ``labelmend.verdicts.decisions.ACTIONS``.
            label: class, for ``choose``.
            seen: time of the decision that the person saw when deciding, None for none.
            tab: who decides, for ``undo``.

        Raises:
            Conflict: If another decision stands by now.
            DataError: If there is no such image or class, or no suggestion to accept.
        """
        with self._lock:
            if not 0 <= row < len(self._ids):
                raise DataError(f"the run has no image {row}")
            if action == ACCEPT and self._suggested[row] == self._given[row]:
                raise DataError("nothing is suggested for this image; keep its label or choose another")
            if action == CHOOSE and (label is None or not 0 <= label < len(self.classes)):
                raise DataError(f"the run has no class {label}")
            name = self.classes[label] if action == CHOOSE and label is not None else None

            def check() -> None:
                self._refresh()
                standing = self._standing.get(row)
                if (standing.time if standing else None) != seen:
                    raise Conflict("this image was decided elsewhere meanwhile; decide again to replace that")

            self._tabs[self.decisions.record(self._ids[row], action, name, check)] = tab
            self._refresh()

    def undo(self, tab: str) -> int | None:
        """Take back the last batch of a tab, or of before this session; returns the first row of it."""
        with self._lock:
            batches = self.decisions.batches()
            own = [batch for batch in batches if self._tabs.get(batch) == tab]
            earlier = [batch for batch in batches if batch in self._before]
            chosen = own or earlier
            if not chosen:
                return None
            undone = self.decisions.undo(max(chosen))
            self._refresh()
            return self._row[undone[0]] if undone else None

    def preview(self, confidence: float, given: int | None) -> dict[str, Any]:
        """What ``accept_all`` would do: how many suggestions it accepts, a look at them, which they are."""
        with self._lock:
            self._refresh()
            rows = self._acceptable(confidence, given)
            shown = [
                {"row": int(row), "given": int(self._given[row]), "suggested": int(self._suggested[row])}
                # Least sure first: these are what to look at before.
                for row in rows[:SHOWN_IN_PREVIEW]
            ]
            return {"count": len(rows), "shown": shown, "seen": _which(rows)}

    def accept_all(self, confidence: float, given: int | None, seen: str, tab: str) -> None:
        """Accept every open suggestion that is at least so sure, in one batch.

        Args:
            confidence: from which suggestions are accepted, in [0, 1].
            given: class that they are labelled as; None for any.
            seen: which they were in the preview.
            tab: who decides, for ``undo``.

        Raises:
            Conflict: If they are not those that were seen.
        """
        with self._lock:
            self._refresh()
            rows = self._acceptable(confidence, given)

            def check() -> None:
                self._refresh()
                now = self._acceptable(confidence, given)
                if _which(now) != seen:
                    raise Conflict(f"others decided meanwhile, and these are {len(now):,} images; look again")

            accepted = [(self._ids[row], ACCEPT, None) for row in rows]
            if not accepted:
                # A batch of nothing would have the number of the next one, of whoever decides next.
                check()
                return
            self._tabs[self.decisions.record_all(accepted, check)] = tab
            self._refresh()

    def _acceptable(self, confidence: float, given: int | None) -> np.ndarray:
        rows = self._views.rows(SUGGESTIONS, given, self._state)
        sure = self._table["suggestion_confidence"].to_numpy()
        rows = rows[(self._state[rows] == OPEN) & (sure[rows] >= confidence)]
        return np.asarray(rows[np.argsort(sure[rows], kind="stable")])

    def status(self, given: int | None, row: int | None) -> dict[str, Any]:
        """Progress of every view, the estimate, and what stands for an image that is being looked at."""
        with self._lock:
            self._refresh()
            views = {}
            for view in VIEWS:
                state = self._state_in(view)
                state = state[self._views.rows(view, given, state)]
                views[view] = {"total": len(state), "decided": int((state == DECIDED).sum())}
            known = row is not None and 0 <= row < len(self._ids)
            return {
                "seq": self._seq,
                "views": views,
                "audit": self._estimate(),
                "changed": int(self._wrong.sum()),
                "decided": int((self._state == DECIDED).sum()),
                "decision": self._of(row) if known and row is not None else None,
            }

    def farewell(self) -> str:
        """What was decided in all, and what to do with it."""
        with self._lock:
            self._refresh()
        decided, changed = int((self._state == DECIDED).sum()), int(self._wrong.sum())
        moved = self._moved_flag()
        if not decided:
            return f"Nothing is decided yet; labelmend review {argument(self.folder)}{moved} goes on."
        after = self._apply_command()
        return (
            f"{count(decided, 'label')} decided, {changed:,} of them changed. "
            f"Next: {after} (--decisions-only takes no suggestion beside them)"
        )

    def _moved_flag(self) -> str:
        return "" if self._moved_to is None else f" --data {argument(self._moved_to)}"

    def _apply_command(self) -> str:
        return f"labelmend apply {argument(self.folder)} --decisions{self._moved_flag()}"

    def _state_in(self, view: str) -> np.ndarray:
        """What stands for each image, as a list has it: in the sample nothing that no person looked at."""
        return np.where(self._many, OPEN, self._state) if view == AUDIT else self._state

    def _estimate(self) -> dict[str, float] | None:
        """Of each verdict, what was decided up to the first image of its sample that is open.

        What is behind it was decided because of how it looks, in another list: that is no random sample.
        """
        state, strata = self._state_in(AUDIT), self._views.strata
        sample = self._views.rows(AUDIT, None, state)
        parts = []
        for stratum, size in enumerate(np.bincount(strata).tolist()):
            rows = sample[strata[sample] == stratum]
            open_at = np.flatnonzero(state[rows] == OPEN)
            judged = rows[: open_at[0]] if len(open_at) else rows
            judged = judged[state[judged] == DECIDED]
            if size:
                parts.append(Stratum(size, len(judged), int(self._wrong[judged].sum())))
        found = estimate(parts)
        return None if found is None else {"rate": found.rate, "low": found.low, "high": found.high}

    def _refresh(self) -> None:
        self._seq, news = self.decisions.changes(self._seq)
        for identifier, decision in news.items():
            row = self._row[identifier]
            if decision is None:
                self._standing.pop(row, None)
                self._state[row], self._wrong[row], self._many[row] = OPEN, False, False
            else:
                self._standing[row] = decision
                self._state[row] = PUT_OFF if decision.action == SKIP else DECIDED
                self._many[row] = not self.decisions.is_alone(identifier)
                given = self.classes[self._given[row]]
                self._wrong[row] = decision.label is not None and decision.label != given

    def picture_id(self, row: int) -> str:
        """The id of a row; raises DataError where there is none."""
        if not 0 <= row < len(self._ids):
            raise DataError(f"the run has no image {row}")
        return self._ids[row]
