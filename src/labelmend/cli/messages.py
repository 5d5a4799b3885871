"""Where messages to the user go."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console

PLAIN_WIDTH = 200
"""Columns of output into a file or pipe, where long paths must stay whole."""


def make_console() -> Console:
    """A console that wraps at the terminal's width, and prints plain lines into files and pipes."""
    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else PLAIN_WIDTH, soft_wrap=not terminal, highlight=False, emoji=False
    )


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings of labelmend as one line each."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, UserWarning):
            print(f"labelmend: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
