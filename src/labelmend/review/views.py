"""The lists that a review goes through, and what comes next in each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelmend.errors import DataError
from labelmend.review.audit import draw_sample
from labelmend.review.queue import review_order
from labelmend.verdicts.judge import UNCERTAIN, VERDICTS

SUGGESTIONS, UNSURE, AUDIT, SKIPPED, ALL = VIEWS = ("suggestions", "uncertain", "audit", "skipped", "all")

OPEN, PUT_OFF, DECIDED = 0, 1, 2
"""What stands for an image: nothing, that it was skipped, a decision."""


class Views:
    """Rows of each list, in the order they are shown in.

    Args:
        table: of verdicts.
        given: int64 (N,), class of each image.
        audit: images of the sample that the share of wrong labels is estimated from.
        seed: of that sample.

    Attributes:
        strata: int (N,), verdict of each image, as the sample is drawn from.
    """

    def __init__(self, table: pd.DataFrame, given: np.ndarray, audit: int, seed: int) -> None:
        verdicts = table["verdict"].to_numpy()
        suggests = table["suggested_label"].to_numpy() != table["given_label"].to_numpy()
        order = review_order(table)
        self.strata = np.array([VERDICTS.index(verdict) for verdict in verdicts])
        self._given = given
        self._orders = {
            SUGGESTIONS: order[suggests[order]],
            UNSURE: order[(verdicts == UNCERTAIN)[order]],
            AUDIT: draw_sample(self.strata, audit, np.random.default_rng(seed)),
            SKIPPED: order,
            ALL: order,
        }

    def rows(self, view: str, given: int | None, state: np.ndarray) -> np.ndarray:
        """Rows of a list.

        Args:
            view: one of ``VIEWS``.
            given: only images that were given this class.
            state: int (N,), what stands for each image.
        """
        if view not in VIEWS:
            raise DataError(f"a view is one of {', '.join(VIEWS)}, not {view!r}")
        rows = self._orders[view]
        if view == SKIPPED:
            rows = rows[state[rows] == PUT_OFF]
        return rows if given is None else np.asarray(rows[self._given[rows] == given])

    def find(self, view: str, rows: np.ndarray, row: int | None, step: int, state: np.ndarray) -> int | None:
        """Place in a list, by where one stands and goes.

        Args:
            view: that the rows are of.
            rows: of the list.
            row: where one stands; None is before the first.
            step: 0 for that row itself; 1 and -1 for the one beside it; 2 for the next that nothing is
                decided about, from the beginning again behind the last.
            state: int (N,), what stands for each image.

        Returns:
            None where there is none.
        """
        here = np.flatnonzero(rows == row) if row is not None else np.array([], dtype=int)
        # A row that has left the view is taken to stand where it would.
        at = int(here[0]) if len(here) else self._place_of(view, rows, row)
        if step == 0:
            return at if len(here) else None
        if step == 2:
            return _next_open(state[rows], at if len(here) else at - 1, view)
        beside = at + step if len(here) or step < 0 else at
        return beside if 0 <= beside < len(rows) else None

    def _place_of(self, view: str, rows: np.ndarray, row: int | None) -> int:
        if row is None:
            return 0
        order = self._orders[view]
        rank = np.full(len(self._given), len(order))
        rank[order] = np.arange(len(order))
        return int((rank[rows] < rank[row]).sum())


def _next_open(state: np.ndarray, at: int, view: str) -> int | None:
    open_at = np.flatnonzero(state == (PUT_OFF if view == SKIPPED else OPEN))
    behind = open_at[open_at > at]
    if len(behind):
        return int(behind[0])
    # Those that are skipped again are not shown round and round.
    return int(open_at[0]) if len(open_at) and view != SKIPPED else None
