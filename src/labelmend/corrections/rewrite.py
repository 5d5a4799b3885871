"""A table written again with other labels: everything else of it stays as it was, byte for byte if it can."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelmend.corrections.delimited import edit_delimited
from labelmend.corrections.edits import Edits, Value
from labelmend.corrections.json_lines import edit_json_lines
from labelmend.corrections.parquet import edit_parquet
from labelmend.data.tables import byte_order_mark, read_bytes, read_table, table_kind
from labelmend.errors import DataError

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Tables that can be written again; other labels go into a table of their own."""

_FALLBACK = "cp1252"


def rewrite(source: Path, target: Path, edits: Edits) -> None:
    """Write a table with some cells replaced, and read it again to make sure that nothing else has changed.

    Args:
        source: a table of one of ``KINDS``, also compressed.
        target: the file to write, of any name.
        edits: what is replaced.

    Raises:
        DataError: If a label cannot be written in the encoding of the file or the type of its column, or the
            file is laid out in a way that does not let single cells be replaced.
    """
    if table_kind(source) == ".parquet":
        try:
            edit_parquet(source, target, edits)
        except (pa.ArrowException, KeyError) as error:
            why = " ".join(str(error).split())
            raise DataError(
                f"{source}: a label cannot be written into its columns ({why}); write the labels as text "
                "into it, or train on a CSV of labels (--labels)"
            ) from None
        return
    data = read_bytes(source)
    edited = _edited(source, data, edits)
    if source.suffix.lower() == ".gz":
        edited = gzip.compress(edited, mtime=0)
    target.write_bytes(edited)
    _check(source, target, edits)


def _edited(source: Path, data: bytes, edits: Edits) -> bytes:
    mark, encoding = byte_order_mark(data)
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        # Latin-1 maps each byte to one character and back, which the encoding it is read as does not.
        encoding, text = "latin-1", body.decode("latin-1")
        edits = {cell: _as_latin_1(value, source) for cell, value in edits.items()}
    try:
        if table_kind(source) in (".csv", ".tsv"):
            text = edit_delimited(text, read_table(source).delimiter, edits)
        else:
            text = edit_json_lines(text, edits)
        return mark + text.encode(encoding)
    except (ValueError, KeyError, IndexError):
        raise DataError(
            f"{source}: its cells cannot be told apart well enough to replace single ones; save it again as "
            "CSV in UTF-8, and train on that"
        ) from None


def _as_latin_1(value: Any, source: Path) -> Any:
    if not isinstance(value, Value):
        return value
    try:
        return Value(str(value.label).encode(_FALLBACK).decode("latin-1"))
    except UnicodeEncodeError:
        raise DataError(
            f"{source} is not UTF-8, and {value.label!r} cannot be written in its encoding; save it as UTF-8"
        ) from None


def _check(source: Path, target: Path, edits: Edits) -> None:
    """Compare all cells of two tables but those that were replaced."""
    before, after = read_table(source), read_table(target, kind_of=source)
    touched = {column for _, column in edits}
    for name, column in before.columns.items():
        other = after.columns.get(name, [])
        pairs = enumerate(zip(column, other, strict=False))
        same = column == other or (
            name in touched and all(a == b or (row, name) in edits for row, (a, b) in pairs)
        )
        if len(other) != len(column) or not same:
            raise DataError(f"{source}: column {name!r} would change beyond its labels; nothing was written")
