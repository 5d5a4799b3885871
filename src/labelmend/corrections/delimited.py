"""Single cells of a CSV or TSV text replaced, every other character as it was."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from labelmend.corrections.edits import Edits, Value
from labelmend.data.tables import separator_line
from labelmend.text import spreadsheet_safe

Span = tuple[int, int]


def edit_delimited(text: str, delimiter: str, edits: Edits) -> str:
    """The text with some cells replaced.

    Args:
        text: of a table whose first row names the columns.
        delimiter: between values.
        edits: by row, from 0 after the header, and name of the column.
    """
    rows = _rows(text, delimiter, separator_line(text))
    names = [_value(text[start:end], delimiter) for start, end in next(rows, [])]
    columns = {name: place for place, name in enumerate(names)}
    wanted = set(edits) | {source for source in edits.values() if not isinstance(source, Value)}
    of_row: dict[int, list[str]] = {}
    for row, column in wanted:
        of_row.setdefault(row, []).append(column)
    spans = {
        (row, column): cells[columns[column]]
        for row, cells in enumerate(rows)
        if row in of_row
        for column in of_row[row]
    }
    parts, last = [], 0
    for (start, end), source in sorted((spans[cell], source) for cell, source in edits.items()):
        parts += [text[last:start], _written(text, spans, source, delimiter)]
        last = end
    return "".join([*parts, text[last:]])


def _written(text: str, spans: dict[tuple[int, str], Span], source: Value | tuple, delimiter: str) -> str:
    if not isinstance(source, Value):
        start, end = spans[source]
        return text[start:end]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerow([spreadsheet_safe(str(source.label))])
    return stream.getvalue().removesuffix("\r\n")


def _rows(text: str, delimiter: str, start: int) -> Iterator[list[Span]]:
    """Where the cells of each row stand, quotes included and blanks before them not; empty lines are none."""
    mark = re.escape(delimiter)
    cell = re.compile(rf' *("(?:[^"]|"")*"|[^{mark}\r\n"][^{mark}\r\n]*|)({mark}|\r\n|\n|\r|\Z)')
    place, row = start, []
    while place < len(text):
        begin = place
        while True:
            found = cell.match(text, place)
            if found is None:
                raise ValueError(f"no cell at character {place}")
            row.append(found.span(1))
            place = found.end()
            if found[2] != delimiter:
                break
        if len(row) > 1 or found.end(1) > begin:
            yield row
        row = []


def _value(cell: str, delimiter: str) -> str:
    return "".join(next(csv.reader([cell], delimiter=delimiter, strict=True), [])).strip()
