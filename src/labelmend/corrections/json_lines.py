"""Single values of JSON lines replaced, every other character as it was."""

from __future__ import annotations

import json
import re

from labelmend.corrections.edits import Edits, Value

Span = tuple[int, int]
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def edit_json_lines(text: str, edits: Edits) -> str:
    """The text with some values replaced; ``edits`` by line that is not blank, from 0, and key."""
    wanted = {row for row, _ in edits} | {
        source[0] for source in edits.values() if not isinstance(source, Value)
    }
    spans: dict[tuple[int, str], Span] = {}
    row = 0
    for line in re.finditer(r"[^\n]+", text):
        if not line[0].strip():
            continue
        if row in wanted:
            spans |= {
                (row, key): (line.start() + start, line.start() + end)
                for key, (start, end) in _values(line[0]).items()
            }
        row += 1
    parts, last = [], 0
    for (start, end), source in sorted((spans[cell], source) for cell, source in edits.items()):
        parts.append(text[last:start])
        if isinstance(source, Value):
            parts.append(json.dumps(source.label))
        else:
            parts.append(text[slice(*spans[source])])
        last = end
    return "".join([*parts, text[last:]])


def _values(line: str) -> dict[str, Span]:
    """Where the values of a JSON object stand; of equal keys the last one counts, as for any reader."""
    found: dict[str, Span] = {}
    place = _skip(line, line.index("{") + 1)
    while line[place] != "}":
        key, place = _DECODER.raw_decode(line, place)
        start = _skip(line, _skip(line, place) + 1)
        _, end = _DECODER.raw_decode(line, start)
        found[key] = (start, end)
        place = _skip(line, end)
        if line[place] == ",":
            place = _skip(line, place + 1)
    return found


def _skip(line: str, place: int) -> int:
    found = _BLANK.match(line, place)
    return place if found is None else found.end()
