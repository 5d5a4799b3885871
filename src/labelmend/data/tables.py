"""Read a table of text and numbers: CSV, TSV, JSON, JSON lines or Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelmend.data.image_set import Skipped
from labelmend.data.json_layouts import json_columns
from labelmend.errors import DataError
from labelmend.text import from_spreadsheet

_TEXT_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = (*_TEXT_SUFFIXES, ".parquet", *(f"{suffix}.gz" for suffix in _TEXT_SUFFIXES))
_DELIMITERS = (",", ";", "\t", "|")
_MOST_BYTES = 2**31
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "compressed (gzip)",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
}
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_UTF_16_ZEROS = 20
"""Of so many bytes of a file in UTF-16 without a mark, at least one is a zero, at odd places or even ones."""
_ENCODINGS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        path: the file it was read from, or what to call it in messages.
        columns: values by column name; CSV and TSV values are strings.
        num_rows: rows, without the header.
        class_names: by column, names of the integer classes where a Hugging Face schema gives them.
        image_columns: columns that hold images by the schema.
        folder: that file names are relative to; by default that of the file.
        skipped: entries of the file that are no rows, e.g. images without an annotation.
        notes: how the file was read, where that is a guess.
        delimiter: between the values of a CSV or TSV file, else "".
    """

    path: Path
    columns: dict[str, list[Any]]
    num_rows: int
    class_names: dict[str, list[str]] = field(default_factory=dict)
    image_columns: tuple[str, ...] = ()
    folder: Path | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    delimiter: str = ""

    def find(self, name: str) -> str | None:
        """The column of this name, in upper or lower case; None if there is none."""
        if name in self.columns:
            return name
        wanted = name.strip().lower()
        return next((column for column in self.columns if column.strip().lower() == wanted), None)

    def first_column(self, names: Sequence[str]) -> str | None:
        """The first of ``names`` that is a column, also with other separators or in the plural."""
        like: dict[str, str] = {}
        for column in self.columns:
            like.setdefault(_bare(column), column)
        found = (self.find(name) or like.get(_bare(name)) for name in names)
        return next((column for column in found if column is not None), None)

    def require_column(self, name: str, flag: str = "") -> list[Any]:
        """A column, or a DataError that lists the columns there are."""
        found = self.find(name)
        if found is None:
            hint = f"; choose with {flag}" if flag else ""
            raise DataError(
                f"{self.path}: there is no column {name!r}; it has {', '.join(self.columns) or 'none'}{hint}"
            )
        return self.columns[found]


def _bare(name: str) -> str:
    """``Class Names`` and ``class_name`` as one."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


def table_kind(path: Path) -> str | None:
    """The suffix that says what kind of table a file is, without ``.gz``; None if it is none."""
    name = path.name.lower()
    found = next((suffix for suffix in TABLE_SUFFIXES if name.endswith(suffix)), None)
    return None if found is None else found.removesuffix(".gz")


def read_table(path: Path, only: str | None = None, kind_of: Path | None = None) -> Table:
    """Read a table by its suffix (one of ``TABLE_SUFFIXES``).

    Args:
        path: the file.
        only: a column that is enough, with those of text and flags; spares reading the images of a Parquet
            file.
        kind_of: a name whose suffix counts, where the file itself has another.

    Raises:
        DataError: If the file is missing, of another kind, or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    kind = table_kind(kind_of or path)
    if kind == ".parquet":
        return _read_parquet(path, only)
    if kind is None:
        raise DataError(
            f"{path}: cannot read {path.suffix.lower()!r} as a table; give one of {', '.join(TABLE_SUFFIXES)}"
        )
    notes: list[str] = []
    text = _decode(read_bytes(path, kind_of), path, notes)
    if kind in (".csv", ".tsv"):
        return _read_delimited(path, text, "," if kind == ".csv" else "\t", notes)
    if kind == ".json":
        return _read_json(path, text, notes)
    return _read_json_lines(path, text, notes)


def read_bytes(path: Path, kind_of: Path | None = None) -> bytes:
    """The bytes of a table of text, decompressed; arguments as of ``read_table``.

    Raises:
        DataError: If the file cannot be read, or is too large.
    """
    try:
        if (kind_of or path).suffix.lower() != ".gz":
            return path.read_bytes()
        with gzip.open(path) as stream:
            data = stream.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if len(data) > _MOST_BYTES:
        raise DataError(f"{path}: holds more than {_MOST_BYTES:,} bytes; save the table as Parquet")
    return data


def byte_order_mark(data: bytes) -> tuple[bytes, str]:
    """The mark that a file of text begins with, if there is one, and the encoding of what follows it."""
    mark = next((mark for mark in _ENCODINGS if data.startswith(mark)), b"")
    encoding = _ENCODINGS.get(mark, "utf-8")
    # Latin letters in UTF-16, and so what stands between values, have a zero in every second byte.
    first, second = data[:1000:2].count(0), data[1:1000:2].count(0)
    if not mark and max(first, second) > max(len(data[:1000]) / _UTF_16_ZEROS, 1):
        encoding = "utf-16-le" if second > first else "utf-16-be"
    return mark, encoding


def _decode(data: bytes, path: Path, notes: list[str]) -> str:
    """The text of a file; an encoding other than UTF-8 is guessed and noted."""
    known = next((what for magic, what in _NO_TEXT.items() if data.startswith(magic)), None)
    if known is not None:
        raise DataError(f"{path}: is {known}, not text, whatever its name; save it as CSV in UTF-8")
    mark, encoding = byte_order_mark(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(f"{path}: not readable as {encoding} ({error}); save it as UTF-8") from error
        notes.append(
            f"{path.name} is not UTF-8 and is read as Windows-1252; if names look wrong, save it as UTF-8"
        )
        return data.decode("cp1252", errors="replace")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: a NUL character; the file is damaged, or no text")
    if not encoding.startswith("utf-8"):
        notes.append(f"{path.name} is read as {encoding.upper()}")
    return text


def separator_line(text: str) -> int:
    """Length of a first line ``sep=;``, which tells Excel what stands between the values; 0 without one."""
    found = _SEPARATOR_LINE.match(text)
    return 0 if found is None else found.end()


def _read_delimited(path: Path, text: str, usual: str, notes: list[str]) -> Table:
    said = _SEPARATOR_LINE.match(text)
    text = text[separator_line(text) :]
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = {delimiter: first.count(delimiter) for delimiter in _DELIMITERS}
    delimiter = usual if counts[usual] else max(_DELIMITERS, key=lambda candidate: counts[candidate])
    if said is not None:
        delimiter = said[1]
    if delimiter != usual and counts.get(delimiter, 0):
        notes.append(f"{path.name} is read with {delimiter!r} between its values")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in reader if row)
    except csv.Error as error:
        raise DataError(
            f"{path}, row {max(len(rows), 1)}: not a readable {path.suffix} file ({error}); "
            "a double quote is opened and not closed, or not doubled within a value"
        ) from error
    names = [name.strip() for name in rows.pop(0)] if rows else []
    # Spreadsheets write delimiters for columns that once held something.
    blank = [
        i for i, name in enumerate(names) if not name and not any("".join(row[i : i + 1]) for row in rows)
    ]
    named = [name for i, name in enumerate(names) if i not in blank]
    if len(set(named)) != len(named):
        raise DataError(
            f"{path}: two columns of the header have the same name: {', '.join(map(repr, named))}; rename one"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise DataError(
                f"{path}, row {number}: {len(row)} values, but the header has {len(names)} columns; "
                "put values that hold the delimiter in double quotes"
            )
        _refuse_swallowed(path, number, row, delimiter)
    columns = {
        name: [from_spreadsheet(row[i]) for row in rows] for i, name in enumerate(names) if i not in blank
    }
    return Table(path, columns, len(rows), notes=notes, delimiter=delimiter)


def _refuse_swallowed(path: Path, number: int, row: Sequence[str], delimiter: str) -> None:
    """Refuse a value that holds what looks like further rows: a stray quote before it swallowed them."""
    for value in row:
        if "\n" in value and any(line.count(delimiter) == len(row) - 1 for line in value.split("\n")[1:]):
            raise DataError(
                f"{path}, row {number}: a double quote makes one value of several lines "
                f"({' '.join(value[:60].split())} ...); remove or double the quote"
            )


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a ValueError if a key is there twice, as all but one value would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _read_json(path: Path, text: str, notes: list[str]) -> Table:
    try:
        content = json.loads(text, object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data" and text.lstrip()[0] == "{":
            notes.append(f"{path.name} is read as JSON lines")
            return _read_json_lines(path, text, notes)
        raise DataError(f"{path}: not valid JSON ({error})") from error
    columns, skipped = json_columns(content, path)
    return Table(path, columns, len(next(iter(columns.values()), [])), skipped=skipped, notes=notes)


def _read_json_lines(path: Path, text: str, notes: list[str]) -> Table:
    records: list[dict[str, Any]] = []
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=distinct_keys)
        except (ValueError, RecursionError) as error:
            hint = "; a list of objects goes into a .json file" if not records and line[0] == "[" else ""
            raise DataError(f"{path}, line {number}: not valid JSON ({error}){hint}") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}, line {number}: each line must be one JSON object")
        records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    return Table(path, {name: [r.get(name) for r in records] for name in names}, len(records), notes=notes)


def _read_parquet(path: Path, only: str | None) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"{path}: column {twice!r} is there twice; rename one of them")
        wanted = None if only is None else _columns_of_text(file.schema_arrow, only)
        table = file.read(wanted)
        return arrow_table(table, path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error


def arrow_table(table: Any, path: Path) -> Table:
    """A ``pyarrow.Table`` with what its Hugging Face schema says of it.

    Args:
        table: as it was read.
        path: of its file, or what to call it in messages.
    """
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    features = _features(table.schema.metadata or {})
    return Table(
        path, columns, table.num_rows, _schema_class_names(features), _schema_images(features, table.schema)
    )


def _columns_of_text(schema: Any, name: str) -> list[str]:
    """The column of this name, or, without one, those of text, numbers and flags."""
    import pyarrow.types as kinds

    found = [entry.name for entry in schema if entry.name.lower() == name]
    return found or [e.name for e in schema if not (kinds.is_nested(e.type) or kinds.is_binary(e.type))]


_IMAGES = ("Image", "Array2D", "Array3D")
"""What Hugging Face schemas call columns of pictures."""


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """What the ``huggingface`` key of a Parquet schema says of each column."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {name: entry for name, entry in features.items() if isinstance(entry, dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _schema_class_names(features: dict[str, Any]) -> dict[str, list[str]]:
    """Names of the classes of each column, be it of classes or of lists of them."""
    kinds = {column: _of_elements(feature) for column, feature in features.items()}
    return {
        column: [str(name) for name in kind["names"]]
        for column, kind in kinds.items()
        if isinstance(kind.get("names"), list) and kind["names"]
    }


def _of_elements(feature: dict[str, Any]) -> dict[str, Any]:
    elements = feature.get("feature")
    return elements if isinstance(elements, dict) else feature


def _schema_images(features: dict[str, Any], schema: Any) -> tuple[str, ...]:
    """Columns of pictures; without a Hugging Face schema, those of its struct of bytes and path."""
    import pyarrow.types

    typed = [name for name in schema.names if features.get(name, {}).get("_type") in _IMAGES]
    structs = [
        entry.name
        for entry in schema
        if pyarrow.types.is_struct(entry.type) and entry.type.get_field_index("bytes") >= 0
    ]
    return tuple(typed or structs)
