"""Where messages to the user go, and the one way in which text of others gets there."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.text import Text

from labelmend.text import printable

PLAIN_WIDTH = 200
"""Columns of output into a file or pipe, where long paths must stay whole."""


def make_console() -> Console:
    """A console that wraps at the terminal's width, and prints plain lines into files and pipes.

    Only what ``plain`` made may be printed on it: strings would be read as markup, and escape codes in them
    obeyed.
    """
    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else PLAIN_WIDTH,
        soft_wrap=not terminal,
        highlight=False,
        emoji=False,
        markup=False,
    )


def plain(text: object, style: str = "") -> Text:
    """One line, or one cell of a table, that shows text as it is: no markup, no escape code, no line end."""
    return Text(printable(text), style)


def say(text: object) -> None:
    """Print one line on stdout, as ``plain`` would show it."""
    print(printable(text), flush=True)


def complain(text: object) -> None:
    """Print one line on stderr."""
    print(f"labelmend: {printable(text)}", file=sys.stderr)


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
            complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
