"""Inputs that people have, each with what must come of it.

A case is a function that builds its input in an empty folder. It is registered with ``@case(...)`` and
returns either the arguments of ``labelmend.data`` (``Source``) or a command line (``Command``). To add cases,
write a module ``cases_*.py`` in this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """A data set, and the settings (by flat name) it is read with."""

    data: Any
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command line without the word ``labelmend``."""

    argv: list[str]


@dataclass(frozen=True)
class Case:
    """One input and its outcome; what is None is not checked.

    Attributes:
        name: of the function.
        make: builds the input.
        error: pattern of the one line that refuses it.
        classes: names in order.
        labels: class name of each image, in order.
        ids: of the images, in order.
        values: first pixel's first channel of each image, in order.
        test: class name of each test image, or () for no test set.
        skipped: patterns of ``path: reason`` of what is left out, all of them.
        notes: patterns that occur among notes and warnings.
        check: further checks of the job.
        code: exit status of a command.
        output: pattern in what a command prints.
    """

    name: str
    make: Callable[[Path], Source | Command]
    error: str | None = None
    classes: list[str] | None = None
    labels: list[str] | None = None
    ids: list[str] | None = None
    values: list[int] | None = None
    test: tuple[str, ...] | None = None
    skipped: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    check: Callable[[Any], None] | None = None
    code: int | None = None
    output: str | None = None


CASES: list[Case] = []


def case(**outcome: Any) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Register the function that follows as a case; the outcome as in ``Case``."""

    def register(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        CASES.append(Case(make.__name__, make, **outcome))
        return make

    return register
