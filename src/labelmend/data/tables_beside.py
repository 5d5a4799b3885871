"""Tables that lie beside the images they describe."""

from __future__ import annotations

from pathlib import Path

from labelmend.data.splits import loose_split_of, split_of
from labelmend.data.tables import table_kind
from labelmend.data.walk import is_hidden

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_WORDS = {"labels", "label", "annotations", "instances", "metadata", "meta", "list", "df", "info"}
"""That may stand beside a split in the name of a table."""


def metadata_of(folder: Path) -> Path | None:
    """The table that describes the images of a folder in the layout of Hugging Face, or None."""
    return next((folder / name for name in _METADATA if (folder / name).is_file()), None)


def tables_in(folder: Path) -> list[Path]:
    """Tables directly in a folder, sorted; Kaggle's examples of submissions are passed over."""
    tables = [p for p in sorted(folder.iterdir()) if p.is_file() and not is_hidden(p.name) and table_kind(p)]
    return [p for p in tables if not p.name.lower().startswith(("sample_sub", "samplesub"))]


def tables_of_splits(folder: Path) -> dict[str, Path]:
    """Tables in a folder that are called like a split, e.g. ``train.csv`` and ``test_labels.csv``.

    Empty where there is none for training.
    """
    found: dict[str, list[Path]] = {}
    for table in tables_in(folder):
        found.setdefault(_split_of_table(table) or "", []).append(table)
    alone = {split: tables[0] for split, tables in found.items() if split and len(tables) == 1}
    return alone if "train" in alone else {}


def table_beside(folder: Path, split: str | None = None) -> Path | None:
    """The table of images in a folder: the one named like the split, or else the only one of none."""
    tables = tables_in(folder)
    for wanted in (split or "train", None):
        found = [table for table in tables if _split_of_table(table) == wanted]
        if len(found) == 1:
            return found[0]
    return None


def _split_of_table(table: Path) -> str | None:
    name = table.name.partition(".")[0]
    loose = loose_split_of(name)
    return split_of(name) or (loose[0] if loose and set(loose[1]) <= _WORDS else None)
