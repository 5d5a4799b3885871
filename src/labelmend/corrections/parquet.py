"""Single cells of a Parquet file replaced; row groups, schema and metadata as they were."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pyarrow.types

from labelmend.corrections.edits import Edits, Value


def edit_parquet(source: Path, target: Path, edits: Edits) -> None:
    """Write a Parquet file with some cells replaced, one row group after another.

    Args:
        source: the file as it is.
        target: the file to write.
        edits: by row, from 0, and column.
    """
    with source.open("rb") as opened, target.open("wb") as written:
        file = pyarrow.parquet.ParquetFile(opened)
        values = _values(file, edits)
        schema = file.schema_arrow
        groups = file.metadata.num_row_groups
        codec = file.metadata.row_group(0).column(0).compression.lower() if groups else "snappy"
        compression = "none" if codec == "uncompressed" else codec
        with pyarrow.parquet.ParquetWriter(written, schema, compression=compression) as writer:
            first = 0
            ahead = deque(sorted(values))
            for group in range(groups):
                table = file.read_row_group(group)
                here = {}
                while ahead and ahead[0][0] < first + len(table):
                    cell = ahead.popleft()
                    here[cell] = values[cell]
                for column in dict.fromkeys(column for _, column in here):
                    cells = table.column(column).to_pylist()
                    for (row, of), value in here.items():
                        if of == column:
                            cells[row - first] = value
                    place = schema.get_field_index(column)
                    table = table.set_column(place, schema.field(place), _array(cells, schema.field(place)))
                writer.write_table(table, row_group_size=max(len(table), 1))
                first += len(table)


def _values(file: Any, edits: Edits) -> dict[tuple[int, str], Any]:
    """What each cell is to hold."""
    names = list(dict.fromkeys(column for _, column in edits))
    held = {name: file.read([name]).column(name).to_pylist() for name in names}
    return {
        cell: source.label if isinstance(source, Value) else held[source[1]][source[0]]
        for cell, source in edits.items()
    }


def _array(cells: list[Any], field: Any) -> Any:
    if pyarrow.types.is_dictionary(field.type):
        return pa.array(cells, type=field.type.value_type).dictionary_encode().cast(field.type)
    return pa.array(cells, type=field.type)
