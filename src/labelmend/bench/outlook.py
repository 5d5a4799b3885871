"""About how long the cells of a suite will take, from those that are done on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from labelmend.bench.results import ResultRecord
from labelmend.bench.suite import Cell
from labelmend.training.machine import machine

SAME = ("processor", "accelerator", "threads")
"""What must be the same for the seconds of one cell to say something of another's."""


@dataclass
class Outlook:
    """Seconds of cells that are done, and what they say of others.

    Attributes:
        by_row: seconds of each cell of a row.
        per_operation: seconds of each cell, divided by its counted operations.
        in_hand: the cell that said last how long it takes, and the seconds; None once it is done.
    """

    by_row: dict[str, list[float]] = field(default_factory=dict)
    per_operation: list[float] = field(default_factory=list)
    in_hand: tuple[Cell, float] | None = None

    @classmethod
    def of(cls, records: Iterable[ResultRecord]) -> Outlook:
        """The outlook from finished cells; those of another machine say nothing."""
        found, here = cls(), machine()
        for record in records:
            if all(record["summary"].get(name) == here[name] for name in SAME):
                found.learn(record, record["summary"]["seconds"])
        return found

    def learn(self, record: ResultRecord, seconds: float) -> None:
        """Take in a cell that was run on this machine, and how long it took."""
        self.in_hand = None
        self.by_row.setdefault(record["row"], []).append(seconds)
        flops = record["summary"]["flops"]
        if flops:
            self.per_operation.append(seconds / flops)

    def expect(self, cell: Cell, seconds: float) -> None:
        """Take in how long a cell in hand says that it takes; its last word stands."""
        self.in_hand = cell, seconds

    def seconds(self, cell: Cell) -> float | None:
        """About how long a cell takes; None where nothing is known.

        The median of its row, or what the cell in hand says where it is of the same row and none is done;
        otherwise its operations at the median speed of others, or the median of all. Where no cell is done,
        the one in hand stands for them.
        """
        budget = cell.settings.budget
        if budget.minutes is not None:
            return 60.0 * budget.minutes
        if cell.row in self.by_row:
            return statistics.median(self.by_row[cell.row])
        every = [seconds for found in self.by_row.values() for seconds in found]
        speeds = self.per_operation
        if self.in_hand is not None:
            running, takes = self.in_hand
            if running.row == cell.row:
                return takes
            if not every:
                every = [takes]
                speeds = [takes / running.settings.budget.flops] if running.settings.budget.flops else []
        if budget.flops is not None and speeds:
            return budget.flops * statistics.median(speeds)
        return statistics.median(every) if every else None

    def whole(self, cells: Iterable[Cell]) -> float | None:
        """About how long several cells take one after another; None where nothing is known of one."""
        found = [self.seconds(cell) for cell in cells]
        return None if any(one is None for one in found) else sum(one for one in found if one is not None)
