"""What ``labelmend bench`` shows: what it will run, then a live table, or plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labelmend.bench.outlook import Outlook
from labelmend.bench.results import LAST, Groups, ResultRecord, grouped, noise_name, values
from labelmend.bench.suite import Cell, Suite
from labelmend.bench.tables import mean_and_spread
from labelmend.text import count, duration, printable

LINES_AROUND = 8
"""Lines of a terminal that are left to other things than the table."""
EVERY = 60.0
"""Seconds between two plain lines about a cell."""


class BenchView:
    """Shows a suite as it runs; a listener of the training loop, and a context manager.

    Args:
        suite: what is run.
        waiting: cells that are not finished, in the order in which they are run.
        done: records of those that are.
        console: where to show it.
    """

    def __init__(
        self, suite: Suite, waiting: Sequence[Cell], done: Sequence[ResultRecord], console: Console
    ) -> None:
        self.suite, self.console = suite, console
        self.waiting, self.records = list(waiting), list(done)
        self.outlook = Outlook.of(done)
        self.failed: dict[str, str] = {}
        self.running: Cell | None = None
        self.share, self.last = 0.0, 0.0
        self.began, self.before = 0.0, 0.0
        self.training = False
        self.first_step: tuple[float, float] | None = None
        self.live = Live(console=console, get_renderable=self.table, refresh_per_second=2, transient=True)

    def __enter__(self) -> BenchView:
        """Say what will be run; in a terminal the table appears."""
        suite, done = self.suite, len(self.records)
        counts = f"; {done:,} done, {len(self.waiting):,} to run" if done else ""
        self.say(f"{suite.title}: {count(len(suite.cells), 'cell')} ({self._extent()}){counts}")
        if self.waiting:
            left = self.outlook.whole(self.waiting)
            self.say(
                "how long they take is said when the first has begun"
                if left is None
                else f"about {duration(left)}, by the cells that are done on this machine"
            )
        if self.console.is_terminal:
            self.live.start()
        else:
            for line in self._plain_list():
                self.say(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the table."""
        self.live.stop()

    def say(self, text: str) -> None:
        """Print a line, above the table where there is one."""
        self.console.print(Text(printable(text)))

    def begin(self, cell: Cell) -> None:
        """A cell is begun, or gone on with."""
        self.running, self.share, self.before, self.first_step = cell, 0.0, 0.0, None
        self.training = False
        self.began = self.last = time.monotonic()

    def finish(self, cell: Cell, record: ResultRecord) -> None:
        """A cell is done."""
        self.records.append(record)
        # More than the seconds of training: test sets are scored. A cell whose run was done before, but not
        # recorded, took these alone.
        trained: float = record["summary"]["seconds"]
        took = max(time.monotonic() - self.began + self.before * trained, trained)
        self.outlook.learn(record, took)
        accuracy = record["summary"].get(LAST)
        said = "" if accuracy is None else f", last epoch {accuracy:.2%}"
        self._end(cell, f"{duration(took)}{said}")

    def fail(self, cell: Cell, why: str) -> None:
        """A cell has failed; the others go on."""
        self.failed[cell.name] = why
        self._end(cell, f"failed: {why}")

    def _end(self, cell: Cell, what: str) -> None:
        self.running = self.first_step = None
        self.waiting.remove(cell)
        self.say(f"{cell.name}: {what}; {self._left()}")

    def on_start(self, info: dict[str, Any]) -> None:
        """Say what the cell in hand trains, and how long all of them take."""
        assert self.running is not None
        if not self.training:
            # What is made once for all cells, such as soft labels and features, is not what a cell takes.
            self.began, self.training = time.monotonic(), True
        unknown = not self.outlook.by_row and self.outlook.in_hand is None
        # Of a cell that is gone on with, a part is done.
        self.before = self.share = info["share"]
        if self.share < 1:
            self.outlook.expect(self.running, info["estimated_seconds"] / (1 - self.share))
        left = self._seconds_left()
        takes = f"; about {duration(left)} for all cells" if unknown and left is not None else ""
        self.say(f"{self.running.name}: {info['network']}, {info['precision']}, {info['processor']}{takes}")

    def on_step(self, share: float) -> None:
        """Note how far the cell in hand is; without a terminal say so once a minute."""
        assert self.running is not None
        self.share = share
        # A cell that is gone on with has a share that these seconds did not buy.
        self.first_step = self.first_step or (time.monotonic(), share)
        takes = self._seconds_of_running()
        if takes is not None:
            self.outlook.expect(self.running, takes)
        if not self.console.is_terminal and time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            others = f"; {self._left()}" if len(self.waiting) > 1 else ""
            self.say(f"{self.running.name}: {self._progress()}{others}")

    def on_epoch(self, row: dict[str, Any]) -> None:
        """Nothing: epochs can be shorter than a line is worth."""

    def _progress(self) -> str:
        takes = self._seconds_of_running()
        left = "" if takes is None else f", about {duration(takes * (1 - self.share))} left"
        return f"{self.share:.0%}{left}"

    def _seconds_of_running(self) -> float | None:
        """About how long the whole of the cell in hand takes, by what it has done; None where it has not."""
        began, before = self.first_step or (0.0, self.share)
        return None if self.share == before else (time.monotonic() - began) / (self.share - before)

    def _left(self) -> str:
        if not self.waiting:
            return "that was the last"
        left = self._seconds_left()
        return f"{count(len(self.waiting), 'cell')} left{'' if left is None else f', about {duration(left)}'}"

    def _seconds_left(self) -> float | None:
        """About how long all cells take that are not done; None where nothing is known of one."""
        others = self.outlook.whole(cell for cell in self.waiting if cell is not self.running)
        if self.running is None or others is None:
            return others
        takes = self._seconds_of_running() or self.outlook.seconds(self.running)
        return None if takes is None else others + takes * (1 - self.share)

    def _extent(self) -> str:
        cells = self.suite.cells
        rows, noises, seeds = ({getattr(c, name) for c in cells} for name in ("row", "noise", "seed"))
        parts = (count(len(rows), "row"), count(len(noises), "noise"), count(len(seeds), "seed"))
        return ", ".join(parts)

    def _plain_list(self) -> list[str]:
        seeds: dict[tuple[str, str], list[int]] = {}
        for cell in self.waiting:
            seeds.setdefault((noise_name(cell.noise), cell.row), []).append(cell.seed)
        return [f"  {noise}, {row}: seed {', '.join(map(str, some))}" for (noise, row), some in seeds.items()]

    def table(self) -> Table:
        """Rows and noises with how far they are; around the running one, where not all have room."""
        noises = dict.fromkeys(noise_name(cell.noise) for cell in self.suite.cells)
        keys = list(product(noises, dict.fromkeys(cell.row for cell in self.suite.cells)))
        room = max(self.console.height - LINES_AROUND, 3)
        here = next((i for i, key in enumerate(keys) if self._is_running(key)), 0)
        first = max(min(here - room // 2, len(keys) - room), 0)
        groups = grouped(self.records)
        table = Table(title=Text(printable(self.suite.title)), caption=self._left())
        for name in ("noise", "method", "seeds done", "last epoch, %", ""):
            table.add_column(name, no_wrap=True)
        for key in keys[first : first + room]:
            table.add_row(*(Text(printable(cell)) for cell in self._line(key, groups)))
        if len(keys) > room:
            table.add_row("", f"and {len(keys) - room} more", "", "", "")
        return table

    def _is_running(self, key: tuple[str, str]) -> bool:
        return self.running is not None and key == (noise_name(self.running.noise), self.running.row)

    def _line(self, key: tuple[str, str], groups: Groups) -> list[str]:
        cells = [cell for cell in self.suite.cells if key == (noise_name(cell.noise), cell.row)]
        records = groups.get(key, [])
        accuracies = values(records, LAST)
        state = ""
        if self._is_running(key) and self.running is not None:
            state = f"seed {self.running.seed}: {self._progress()}"
        elif any(cell.name in self.failed for cell in cells):
            state = "failed"
        return [
            *key,
            f"{len(records)} of {len(cells)}",
            mean_and_spread(accuracies) if accuracies else "",
            state,
        ]
