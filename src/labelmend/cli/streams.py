"""Output that can fail: a closed terminal, a pipe that nobody reads, a full disk."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from labelmend.cli.messages import complain
from labelmend.files import reason

STDOUT, STDERR = "stdout", "stderr"


class Lasting:
    """A text stream that goes on without its destination once that fails; all else is the stream's own.

    Whoever reads a pipe and closes it has seen enough; other failures are said once on stderr.

    Args:
        stream: what is written to.
        name: of the stream.
        essential: whether what is written is what the command is for, so that a failure is an error.
    """

    def __init__(self, stream: TextIO, name: str, essential: bool) -> None:
        self._stream, self._name, self._essential = stream, name, essential

    def write(self, text: str) -> int:
        """Write, if that is possible.

        Raises:
            OSError: If it is not, and what is written is essential.
        """
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush, if that is possible; raises as ``write`` does."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        silence(self._stream)
        if isinstance(error, BrokenPipeError) or self._name == STDERR:
            return
        if self._essential:
            raise OSError(error.errno, reason(error), self._name) from error
        complain(f"warning: {self._name} cannot be written ({reason(error)}); the work goes on")

    def __getattr__(self, name: str) -> Any:
        """The stream's own."""
        return getattr(self._stream, name)


def silence(stream: TextIO) -> None:
    """Let what a stream still holds, and all that is written to it later, go nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_standard_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr ones that lead nowhere.

    Otherwise the next file that is opened would get their number, and be written to by whoever prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in ((1, STDOUT), (2, STDERR)):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


@contextmanager
def lasting_streams(essential: bool) -> Iterator[None]:
    """Failures of stderr never end what is done inside, those of stdout only where it is ``essential``.

    What their encoding cannot write is written as an escape.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        # Tests and notebooks put other streams in their place.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = Lasting(sys.stdout, STDOUT, essential)  # type: ignore[assignment]
    sys.stderr = Lasting(sys.stderr, STDERR, False)  # type: ignore[assignment]
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
