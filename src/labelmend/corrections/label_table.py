"""A table of labels of images that have none of their own: of class folders and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelmend.corrections.patch import write_rows
from labelmend.data.listing import Listing
from labelmend.text import as_text


def write_label_table(path: Path, listing: Listing, labels: Sequence[str], given: Sequence[str]) -> None:
    """Write ids, paths, labels and given labels; ``labelmend fit`` reads it as a table or with ``--labels``.

    Args:
        path: a CSV file.
        listing: N images.
        labels: class name of each.
        given: class name that each was given.
    """
    files = [as_text(str(item)) if isinstance(item, Path) else "" for item in listing.items]
    columns: dict[str, Sequence[str]] = {"id": listing.ids}
    if files and all(files):
        columns["path"] = files
    columns |= {"label": labels, "given_label": given}
    write_rows(path, columns, zip(*columns.values(), strict=True))
