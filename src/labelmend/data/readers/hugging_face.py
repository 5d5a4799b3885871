"""Data sets of the Hugging Face ``datasets`` package, in memory."""

from __future__ import annotations

from collections.abc import Mapping
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
            return list(_parts(source))
        return manifest_splits([_table(source.select_columns(_plain_columns(source)))])

    def read(self, source: Any, request: Request) -> Listing:
        """List the images of one split; images alone are those of all splits.

        Raises:
            DataError: As for a table; if the data set is streamed, or two splits are one by their names.
        """
        name = type(source).__name__
        if not isinstance(source, dict):
            return list_tables([_table(source)], name, request.split, request.columns)
        parts = _parts(source)
        chosen = [parts[choose_split(parts, request.split, name)]] if request.labelled else parts.values()
        return list_tables([_table(part) for part in chosen], name, NO_SPLITS, request.columns)


def is_hugging_face(source: Any) -> bool:
    """Whether a source is of the ``datasets`` package: these look like dictionaries and torch data sets."""
    return type(source).__module__.partition(".")[0] == _PACKAGE


def _parts(source: Mapping[Any, Any]) -> dict[str, Any]:
    """The data sets of a ``DatasetDict`` by what their splits are called here."""
    parts: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, part in source.items():
        split = standard_split(str(name))
        if split in parts:
            raise DataError(
                f"{type(source).__name__}: {names[split]!r} and {str(name)!r} are both read as the split "
                f"{split!r}; leave one out, or join them with datasets.concatenate_datasets"
            )
        parts[split], names[split] = part, str(name)
    return parts


def _plain_columns(source: Any) -> list[str]:
    """Columns of text, numbers and classes, any of which may say the split; pictures are not read for it."""
    features = getattr(source, "features", None) or {}
    return [name for name, kind in features.items() if type(kind).__name__ in ("Value", "ClassLabel")]


def _table(source: Any) -> Table:
    name = type(source).__name__
    if not hasattr(source, "with_format") or not hasattr(source, "__len__"):
        raise DataError(
            f"cannot read images from a {name}, which is streamed; load the data set without streaming=True, "
            "or give what its to_parquet wrote"
        )
    return arrow_table(source.with_format("arrow")[:], Path(name))
