"""How far a job is, in plain lines: for logs, pipes, and wherever there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from labelmend.cli.messages import say
from labelmend.text import duration

# Seconds until the first line, and between two; each wait is twice the one before, up to the longest.
FIRST, LONGEST = 3.0, 60.0


class PlainProgress:
    """Prints a line now and then; a job of a few seconds prints none.

    Args:
        what: is being done.
        unit: what is counted, or "" where progress is a share.
        clock: seconds since any moment.
    """

    def __init__(self, what: str, unit: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.unit, self.clock = what, unit, clock
        self.restart()

    def restart(self) -> None:
        """Begin to count anew."""
        self.seen: tuple[float, float] | None = None
        self.wait = FIRST

    def update(self, done: float, total: float) -> None:
        """Print a line, if one is due; the speed is that since the line before."""
        now = self.clock()
        if self.seen is None or done < self.seen[1]:
            self.restart()
            self.seen = now, done
            return
        since, before = self.seen
        if now - since < self.wait or done == before or done >= total:
            return
        speed = (done - before) / (now - since)
        left = f"about {duration((total - done) / speed)} left"
        if self.unit:
            say(f"{self.what}: {done:,.0f} of {total:,.0f} {self.unit}, {speed:,.1f} a second, {left}")
        else:
            say(f"{self.what}: {done / total:.0%}, {left}")
        self.seen, self.wait = (now, done), min(2 * self.wait, LONGEST)
