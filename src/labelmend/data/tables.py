"""Read a table of text and numbers: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelmend.errors import DataError
from labelmend.text import from_spreadsheet

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        path: the file it was read from.
        columns: values by column name; CSV and TSV values are strings.
        num_rows: rows, without the header.
        class_names: by column, names of the integer classes where a Hugging Face schema gives them.
    """

    path: Path
    columns: dict[str, list[Any]]
    num_rows: int
    class_names: dict[str, list[str]]

    def first_column(self, names: Sequence[str]) -> str | None:
        """The first of ``names`` that is a column."""
        return next((name for name in names if name in self.columns), None)

    def require_column(self, name: str, flag: str = "") -> list[Any]:
        """A column, or a DataError that lists the columns there are."""
        if name not in self.columns:
            hint = f"; choose with {flag}" if flag else ""
            raise DataError(
                f"{self.path}: there is no column {name!r}; it has {', '.join(self.columns) or 'none'}{hint}"
            )
        return self.columns[name]


def read_table(path: Path, only: str | None = None) -> Table:
    """Read a table by its suffix (``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``).

    Args:
        path: the file.
        only: a column that is enough, where it is there; spares reading the images of a Parquet file.

    Raises:
        DataError: If the file is missing, of another kind, or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _read_delimited(path, "," if suffix == ".csv" else "\t")
    if suffix == ".jsonl":
        return _read_json_lines(path)
    if suffix == ".parquet":
        return _read_parquet(path, only)
    raise DataError(f"{path}: cannot read {suffix!r} as a table; give one of {', '.join(TABLE_SUFFIXES)}")


def _read_delimited(path: Path, delimiter: str) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable {path.suffix} file ({error}); save it as UTF-8") from error
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        raise DataError(f"{path}: two columns of the header have the same name: {', '.join(names)}")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise DataError(
                f"{path}, row {number}: {len(row)} values, but the header has {len(names)} columns; "
                "put values that hold the delimiter in double quotes"
            )
    columns = {name: [from_spreadsheet(row[i]) for row in rows] for i, name in enumerate(names)}
    return Table(path, columns, len(rows), {})


def _read_json_lines(path: Path) -> Table:
    records = []
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not valid JSON ({error})") from error
            if not isinstance(record, dict):
                raise DataError(f"{path}, line {number}: each line must be one JSON object")
            records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    return Table(path, {name: [r.get(name) for r in records] for name in names}, len(records), {})


def _read_parquet(path: Path, only: str | None) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path).read(None if only is None else [only])
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Table(path, columns, table.num_rows, _schema_class_names(table.schema.metadata or {}))


def _schema_class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Class names by column in the ``huggingface`` key of a Parquet schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("names")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
