"""Columns in memory: a DataFrame, a dictionary of columns, or one of files and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from labelmend.data.image_file import IMAGE_SUFFIXES
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables, manifest_splits
from labelmend.data.readers.base import Reader, Request
from labelmend.data.readers.hugging_face import is_hugging_face
from labelmend.data.readers.npz import list_named_arrays, split_names
from labelmend.data.tables import Table
from labelmend.errors import DataError


class ColumnsReader(Reader):
    """pandas DataFrames and dictionaries.

    A dictionary holds columns of a table, arrays by the names of ``.npz`` files, or the label of each file.
    File names are relative to the working folder, or to ``image_root``.
    """

    unlabelled = True

    def matches(self, source: Any) -> bool:
        """Whether it is a DataFrame, or a dictionary with text for keys."""
        if isinstance(source, Mapping) and not is_hugging_face(source):
            return bool(source) and all(isinstance(key, str | Path) for key in source)
        return isinstance(source, pd.DataFrame)

    def splits(self, source: Any, root: str | Path | None = None) -> list[str]:
        """Splits that a column ``split``, or the names of arrays, tell apart."""
        if _are_arrays(source):
            return split_names(_arrays(source))
        return manifest_splits([_table(source)])

    def read(self, source: Any, request: Request) -> Listing:
        """List the images of one split.

        Raises:
            DataError: As for a table, or an ``.npz`` file.
        """
        if _are_arrays(source):
            return list_named_arrays(_arrays(source), _name(source), request)
        return list_tables([_table(source)], _name(source), request.split, request.columns)


def _name(source: Any) -> str:
    return "DataFrame" if isinstance(source, pd.DataFrame) else "dictionary"


def _are_arrays(source: Any) -> bool:
    """Whether a dictionary holds whole arrays of images, not a column of files."""
    return isinstance(source, Mapping) and any(
        isinstance(value, np.ndarray | Tensor) and value.ndim > 2 for value in source.values()
    )


def _arrays(source: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    return {
        str(name): value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        for name, value in source.items()
    }


def _table(source: Any) -> Table:
    path, folder = Path(_name(source)), Path()
    if isinstance(source, pd.DataFrame):
        # Positions, as two columns may have one name.
        names = [str(name) for name in source.columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"DataFrame: there are several columns {twice[0]!r}; rename or drop all but one")
        columns = {name: source.iloc[:, place].tolist() for place, name in enumerate(names)}
        return Table(path, columns, len(source), folder=folder)
    if all(Path(key).suffix.lower() in IMAGE_SUFFIXES for key in source):
        columns = {"file_name": [str(key) for key in source], "label": list(source.values())}
        return Table(path, columns, len(source), folder=folder)
    columns = {}
    for name, values in source.items():
        if isinstance(values, str | bytes | Mapping | Set) or not hasattr(values, "__len__"):
            raise DataError(
                f"dictionary: {str(name)!r} is a {type(values).__name__}, not a column; give lists or "
                'arrays, e.g. {"file_name": [...], "label": [...]}'
            )
        columns[str(name)] = list(values)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"dictionary: its columns have different lengths ({shown})")
    return Table(path, columns, next(iter(lengths.values())), folder=folder)
