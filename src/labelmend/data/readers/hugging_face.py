"""Data sets of the Hugging Face ``datasets`` package, in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import NO_SPLITS, choose_split, standard_split
from labelmend.data.tables import Table, arrow_table
from labelmend.errors import DataError

_PACKAGE = "datasets"


class HuggingFaceReader(Reader):
    """A ``Dataset``, or a ``DatasetDict`` of splits, as the table that it is.

    Columns of type ``Image`` and ``ClassLabel`` are found whatever they are called. The encoded images of a
    split are in memory, as they are of a Parquet file.
    """

    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether its class is of the package."""
        return is_hugging_face(source)

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Splits of a ``DatasetDict``, or those that a column ``split`` names."""
        if isinstance(source, dict):
            return [standard_split(str(name)) for name in source]
        return manifest_splits([_table(source.select_columns(_of_splits(source)))])

    def read(self, source: Any, request: Request) -> Listing:
        """List the images of one split; images alone of a ``DatasetDict`` are those of one split too.

        Raises:
            DataError: As for a table; if the data set is streamed.
        """
        name = type(source).__name__
        if not isinstance(source, dict):
            return list_tables([_table(source)], name, request.split, request.columns)
        parts = {standard_split(str(split)): part for split, part in source.items()}
        part = parts[choose_split(parts, request.split, name)]
        return list_tables([_table(part)], name, NO_SPLITS, request.columns)


def is_hugging_face(source: Any) -> bool:
    """Whether a source is of the ``datasets`` package: these look like dictionaries and torch data sets."""
    return type(source).__module__.partition(".")[0] == _PACKAGE


def _of_splits(source: Any) -> list[str]:
    return [name for name in getattr(source, "column_names", None) or [] if name.lower() == "split"]


def _table(source: Any) -> Table:
    name = type(source).__name__
    if not hasattr(source, "with_format") or not hasattr(source, "__len__"):
        raise DataError(
            f"cannot read images from a {name}, which is streamed; load the data set without streaming=True, "
            "or give what its to_parquet wrote"
        )
    return arrow_table(source.with_format("arrow")[:], Path(name))
