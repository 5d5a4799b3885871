"""A request to stop, by Ctrl-C or the system, that waits until a run can obey."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """A context in which signals are noted instead of obeyed; a second one is obeyed at once.

    Signals that Python has no handler for do what they always do, and so does everything in a thread that is
    not the main one, where there are no signals.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._noted: int | None = None

    def __enter__(self) -> Stopping:
        """Take the place of the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the handlers their place again; what was noted is obeyed now, unless an error comes first."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._noted is not None and kind is None:
            self._handlers[self._noted](self._noted, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is not None:
            self._handlers[number](number, frame)
        self._noted = number

    @property
    def asked(self) -> bool:
        """Whether a signal was noted."""
        return self._noted is not None
