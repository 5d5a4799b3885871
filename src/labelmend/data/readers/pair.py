"""A pair (images, labels) in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelmend.data.arrays import label_values, list_arrays
from labelmend.data.listing import Listing
from labelmend.data.manifest import list_tables
from labelmend.data.readers.base import Reader, Request
from labelmend.data.splits import refuse_split
from labelmend.data.tables import Table
from labelmend.errors import DataError


class PairReader(Reader):
    """Tuples of images (arrays, tensors, PIL images of any sizes, or paths) and labels."""

    def matches(self, source: Any) -> bool:
        """Whether it is a tuple."""
        return isinstance(source, tuple)

    def read(self, source: Any, request: Request) -> Listing:
        """List the images with their labels.

        Raises:
            DataError: If the tuple is no pair, or either part is faulty.
        """
        refuse_split(request.split, "arrays")
        if len(source) != 2:
            raise DataError(f"a tuple of {len(source)} values is no source; give the pair (images, labels)")
        images, labels = source
        if _are_paths(images):
            columns = {"file_name": list(images), "label": label_values(labels, "paths")}
            if len(columns["file_name"]) != len(columns["label"]):
                raise DataError(f"{len(columns['file_name'])} paths, but {len(columns['label'])} labels")
            table = Table(Path("paths"), columns, len(columns["label"]), folder=Path())
            return list_tables([table], "paths", None, request.columns)
        return list_arrays(images, labels, "arrays")


def _are_paths(images: Any) -> bool:
    """Whether images are given as their files."""
    is_list = isinstance(images, list | tuple | pd.Series | pd.Index | np.ndarray) and len(images) > 0
    return is_list and all(isinstance(image, str | Path) for image in images)
