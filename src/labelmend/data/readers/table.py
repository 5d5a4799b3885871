"""A table of images and labels in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request, is_file_of
from labelmend.data.tables import TABLE_SUFFIXES, read_table


class TableReader(Reader):
    """Manifests: CSV, TSV, JSON, JSON lines or Parquet."""

    suffixes = TABLE_SUFFIXES
    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is a file that is there with the suffix of a table."""
        return is_file_of(source, self.suffixes)

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Splits that its column ``split`` names."""
        return manifest_splits([read_table(Path(source), only="split")])

    def read(self, source: Any, request: Request) -> Listing:
        """List the rows of one split; images alone are those of all splits."""
        path = Path(source)
        return list_tables([read_table(path)], str(path), request.split, request.columns)
