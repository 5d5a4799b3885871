"""Lists of image files with labels, one "path label" a line, as several benchmarks ship them."""

from __future__ import annotations

from pathlib import Path

from labelmend.errors import DataError


def read_lines(path: Path) -> list[str]:
    """Lines that are not blank, without line ends."""
    with path.open(encoding="utf-8") as stream:
        return [line.rstrip("\r\n") for line in stream if line.strip()]


def read_pairs(path: Path, num_classes: int | None = None) -> list[tuple[str, int]]:
    """Pairs (file name, label) of a list.

    Only the last space of a line separates: file names hold commas, and may hold spaces.

    Raises:
        DataError: If a line is not such a pair, or a label is not in 0..C-1; the message names the line.
    """
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        name, _, label = line.rstrip().rpartition(" ")
        if not name or not label.isdecimal():
            raise DataError(f"{path}, line {number}: expected 'file label', found {line!r}")
        if num_classes is not None and int(label) >= num_classes:
            raise DataError(f"{path}, line {number}: label {label} is not in 0..{num_classes - 1}")
        pairs.append((name, int(label)))
    return pairs
