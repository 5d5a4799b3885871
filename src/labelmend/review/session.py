"""What the review page asks and says, without the network: rows, decisions, progress, estimate."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from labelmend.errors import DataError, LabelmendError
from labelmend.review.audit import Stratum, draw_sample, estimate
from labelmend.review.neighbours import Neighbours
from labelmend.review.queue import review_order
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.pictures import RunPictures, open_pictures
from labelmend.runs.records import read_model
from labelmend.text import count, printable
from labelmend.verdicts.decisions import ACCEPT, CHOOSE, SKIP, Decision, Decisions, verdicts_hash
from labelmend.verdicts.frame import read_parquet
from labelmend.verdicts.judge import EASY, UNCERTAIN, VERDICTS

SUGGESTIONS, UNSURE, AUDIT, SKIPPED, ALL = VIEWS = ("suggestions", "uncertain", "audit", "skipped", "all")
SHOWN_IN_PREVIEW = 60
PATIENCE = 0.5
"""Seconds that a question for the nearest images waits for their features."""


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
        self.folder = Path(folder)
        run_folder.require_finished(self.folder)
        check_unchanged(self.folder, [run_folder.VERDICTS_PARQUET, run_folder.MODEL_INFO])
        table = read_parquet(self.folder / run_folder.VERDICTS_PARQUET)
        self.classes: list[str] = read_model(self.folder / run_folder.MODEL_INFO)["classes"]
        self.pictures: RunPictures = open_pictures(self.folder, data)
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
        self._set_up_views(audit)
        # What stands for each row: 0 nothing, 1 skipped, 2 decided.
        self._state = np.zeros(len(table), dtype=np.int8)
        self._wrong = np.zeros(len(table), dtype=bool)
        self._standing: dict[int, Decision] = {}
        self._tabs: dict[int, str] = {}
        self._seq = 0
        self._lock = RLock()
        self.decisions = Decisions.open(self.folder, create=True)
        self._before = set(self.decisions.batches())
        self._refresh()

    def _set_up_views(self, audit: int) -> None:
        verdicts = self._table["verdict"].to_numpy()
        self._strata = np.array([VERDICTS.index(verdict) for verdict in verdicts])
        # The same run has the same sample, also after a restart.
        sample = draw_sample(self._strata, audit, np.random.default_rng(int(self.hash[:16], 16)))
        order = review_order(self._table)
        self._orders = {
            SUGGESTIONS: order[(self._suggested != self._given)[order]],
            UNSURE: order[(verdicts == UNCERTAIN)[order]],
            AUDIT: sample,
            SKIPPED: order,
            ALL: order,
        }

    def overview(self) -> dict[str, Any]:
        """What the page shows once: names, classes, what the views hold."""
        return {
            "run": printable(self.folder.resolve().name),
            "folder": printable(str(self.folder)),
            "classes": [printable(name) for name in self.classes],
            "hash": self.hash[:12],
            "notice": printable(self.pictures.notice),
            "votes": bool(self._table["votes"].any()),
        }

    def item(self, view: str, given: int | None, row: int | None, step: int) -> dict[str, Any] | None:
        """An image of a view.

        Args:
            view: one of ``VIEWS``.
            given: only images that were given this class.
            row: where one stands; None is before the first.
            step: 0 for that row itself; 1 and -1 for the one beside it; 2 for the next that nothing is
                decided about, from the beginning again behind the last.

        Returns:
            None where there is none.
        """
        with self._lock:
            self._refresh()
            rows = self._rows(view, given)
            here = np.flatnonzero(rows == row) if row is not None else np.array([], dtype=int)
            # A row that has left the view is taken to stand where it would.
            at = int(here[0]) if len(here) else self._place_of(view, rows, row)
            if step == 0:
                found = at if len(here) else None
            elif step == 2:
                found = self._next_open(rows, at if len(here) else at - 1, view)
            else:
                beside = at + step if len(here) or step < 0 else at
                found = beside if 0 <= beside < len(rows) else None
            return None if found is None else self._describe(int(rows[found]), found, len(rows))

    def _rows(self, view: str, given: int | None) -> np.ndarray:
        if view not in VIEWS:
            raise DataError(f"a view is one of {', '.join(VIEWS)}, not {view!r}")
        rows = self._orders[view]
        if view == SKIPPED:
            rows = rows[self._state[rows] == 1]
        return rows if given is None else np.asarray(rows[self._given[rows] == given])

    def _place_of(self, view: str, rows: np.ndarray, row: int | None) -> int:
        if row is None:
            return 0
        order = self._orders[view]
        rank = np.full(len(self._ids), len(order))
        rank[order] = np.arange(len(order))
        return int((rank[rows] < rank[row]).sum())

    def _next_open(self, rows: np.ndarray, at: int, view: str) -> int | None:
        open_at = np.flatnonzero(self._state[rows] == (1 if view == SKIPPED else 0))
        behind = open_at[open_at > at]
        if len(behind):
            return int(behind[0])
        # Those that are skipped again are not shown round and round.
        return int(open_at[0]) if len(open_at) and view != SKIPPED else None

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
        return {"action": decision.action, "label": label, "time": decision.time}

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
            self._refresh()
            if not 0 <= row < len(self._ids):
                raise DataError(f"the run has no image {row}")
            if action == ACCEPT and self._suggested[row] == self._given[row]:
                raise DataError("nothing is suggested for this image; keep its label or choose another")
            if action == CHOOSE and (label is None or not 0 <= label < len(self.classes)):
                raise DataError(f"the run has no class {label}")
            standing = self._standing.get(row)
            if (standing.time if standing else None) != seen:
                raise Conflict("this image was decided elsewhere meanwhile; decide again to replace that")
            name = self.classes[label] if action == CHOOSE and label is not None else None
            self._tabs[self.decisions.record(self._ids[row], action, name)] = tab
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
        """What ``accept_all`` would do: how many suggestions it accepts, and a look at them."""
        with self._lock:
            self._refresh()
            rows = self._acceptable(confidence, given)
            shown = [
                {"row": int(row), "given": int(self._given[row]), "suggested": int(self._suggested[row])}
                # Least sure first: these are what to look at before.
                for row in rows[:SHOWN_IN_PREVIEW]
            ]
            return {"count": len(rows), "shown": shown}

    def accept_all(self, confidence: float, given: int | None, count: int, tab: str) -> None:
        """Accept every open suggestion that is at least so sure, in one batch.

        Raises:
            Conflict: If they are not as many as were seen.
        """
        with self._lock:
            self._refresh()
            rows = self._acceptable(confidence, given)
            if len(rows) != count:
                raise Conflict(f"by now these are {len(rows):,} images, not {count:,}; look again")
            if not count:
                return
            batch = self.decisions.record_all((self._ids[row], ACCEPT, None) for row in rows)
            self._tabs[batch] = tab
            self._refresh()

    def _acceptable(self, confidence: float, given: int | None) -> np.ndarray:
        rows = self._rows(SUGGESTIONS, given)
        sure = self._table["suggestion_confidence"].to_numpy()
        rows = rows[(self._state[rows] == 0) & (sure[rows] >= confidence)]
        return np.asarray(rows[np.argsort(sure[rows], kind="stable")])

    def status(self, given: int | None, row: int | None) -> dict[str, Any]:
        """Progress of every view, the estimate, and what stands for an image that is being looked at."""
        with self._lock:
            self._refresh()
            views = {}
            for view in VIEWS:
                state = self._state[self._rows(view, given)]
                views[view] = {"total": len(state), "decided": int((state == 2).sum())}
            known = row is not None and 0 <= row < len(self._ids)
            return {
                "seq": self._seq,
                "views": views,
                "audit": self._estimate(),
                "changed": int(self._wrong.sum()),
                "decided": int((self._state == 2).sum()),
                "decision": self._of(row) if known and row is not None else None,
            }

    def farewell(self) -> str:
        """What was decided in all, and what to do with it."""
        decided, changed = int((self._state == 2).sum()), int(self._wrong.sum())
        if not decided:
            return f"Nothing is decided yet; labelmend review {self.folder} goes on."
        after = f"labelmend apply {self.folder} --decisions"
        return (
            f"{count(decided, 'label')} decided, {changed:,} of them changed. "
            f"Next: {after} (--decisions-only takes no suggestion beside them)"
        )

    def _estimate(self) -> dict[str, float] | None:
        sample = self._orders[AUDIT]
        judged = sample[self._state[sample] == 2]
        sizes = np.bincount(self._strata)
        looked_at = np.bincount(self._strata[judged], minlength=len(sizes))
        wrong = np.bincount(self._strata[judged[self._wrong[judged]]], minlength=len(sizes))
        found = estimate(
            [Stratum(*map(int, part)) for part in zip(sizes, looked_at, wrong, strict=True) if part[0]]
        )
        return None if found is None else {"rate": found.rate, "low": found.low, "high": found.high}

    def _refresh(self) -> None:
        self._seq, news = self.decisions.changes(self._seq)
        for identifier, decision in news.items():
            row = self._row[identifier]
            if decision is None:
                self._standing.pop(row, None)
                self._state[row], self._wrong[row] = 0, False
            else:
                self._standing[row] = decision
                self._state[row] = 1 if decision.action == SKIP else 2
                given = self.classes[self._given[row]]
                self._wrong[row] = decision.label is not None and decision.label != given

    def picture_id(self, row: int) -> str:
        """The id of a row; raises DataError where there is none."""
        if not 0 <= row < len(self._ids):
            raise DataError(f"the run has no image {row}")
        return self._ids[row]
